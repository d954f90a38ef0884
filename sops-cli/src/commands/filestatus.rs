//! `sops filestatus`.

use std::path::PathBuf;

use super::transform::warn_of_more_files;
use crate::{
    appearance::Appearance,
    cli::TypeArgs,
    context::Context,
    error::{Code, Doing, Failure},
    files,
    json::Object,
    ui,
};

/// Tell whether a file is encrypted, as JSON: `{"encrypted":true}`
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The format of the file: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    input_type: Option<String>,

    /// Print JSON, as without this flag
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Some(file) = args.files.first() else {
        return Err(Failure::new(Code::NoFile, "no file specified"));
    };
    warn_of_more_files(&args.files, context);
    let types = TypeArgs {
        input_type: args.input_type.clone(),
        output_type: args.input_type.clone(),
        filename_override: None,
    };
    let target = context.target(Some(file), &types)?;
    // Programs know one code for whatever goes wrong here.
    let generic = |failure: Failure| failure.with_code(Code::Generic);
    let content = files::read(file).map_err(generic)?;
    let encrypted = sops_core::is_encrypted(content.expose(), target.format).map_err(|error| {
        target.unreadable(error, Doing::Decrypting, Appearance::of(content.expose()))
    })?;
    ui::print(&Object::new().truth("encrypted", encrypted).line())
}
