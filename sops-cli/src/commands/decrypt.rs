//! `sops decrypt`.

use sops_core::TreePath;

use super::{
    argument::hint_for_path,
    decryption::Decryption,
    transform::{Contents, FileArgs, Product},
};
use crate::{
    cli::TypeArgs,
    context::Context,
    error::{Doing, Failure},
};

/// Decrypt files
///
/// Prints the file in the clear, or one value of it with --extract, or replaces it with --in-place.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    types: TypeArgs,

    /// Print one value only, such as `["db"]["users"][0]` or `db.users[0]`
    #[arg(long, value_name = "PATH")]
    extract: Option<String>,

    /// Go on when the MAC does not fit: the file may have been tampered with
    #[arg(long)]
    ignore_mac: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    context.check_given_config()?;
    let path = match args.extract.as_deref().filter(|path| !path.is_empty()) {
        Some(path) => Some(TreePath::parse(path).map_err(|error| {
            Failure::from_library(&error.into(), Doing::Decrypting, "--extract")
                .hint(hint_for_path(path))
        })?),
        None => None,
    };
    let decryption = Decryption::new(&args.types, args.ignore_mac).of_one_value(path.as_ref());
    args.files.transform(context, |file, input| {
        let (bytes, warnings) = decryption.decrypt(context, file, input)?;
        Ok(Product {
            bytes: Contents::Plain(bytes),
            warnings,
        })
    })
}
