//! `sops groups`.

use std::path::{Path, PathBuf};

use sops_core::metadata::MasterKey;

use crate::{
    cli::{KmsArgs, TypeArgs},
    context::Context,
    error::{Code, Doing, Failure},
    files::Original,
    json::{self, Object},
    master_keys,
    ui::{self, Ui},
};

/// Add or delete a key group of a file
///
/// With several groups, one key each of as many groups as the threshold says is needed to decrypt. Values, MAC and date
/// stay as they are, and so does the data key: see `sops rotate`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to do
    #[arg(value_enum, value_name = "add|delete")]
    action: Action,

    /// Which group to delete, counted from 0
    #[arg(value_name = "INDEX", allow_negative_numbers = true)]
    index: Vec<String>,

    /// The file
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Replace the file by the result
    #[arg(long, short)]
    in_place: bool,

    /// The format of the file: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    input_type: Option<String>,

    /// How many key groups are needed to decrypt
    #[arg(long, value_name = "N")]
    shamir_secret_sharing_threshold: Option<usize>,

    /// Print the groups that the file has now as a line of JSON; needs --in-place
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    group: GroupArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Add a group of the keys that are given
    Add,
    /// Delete the group with a number
    Delete,
}

/// The keys of a new group.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Keys of the new group")]
struct GroupArgs {
    /// age recipients of the new group; may be given several times
    #[arg(long, value_name = "KEY", action = clap::ArgAction::Append)]
    age: Vec<String>,

    /// OpenPGP fingerprints of the new group; may be given several times
    #[arg(long, value_name = "KEY", action = clap::ArgAction::Append)]
    pgp: Vec<String>,

    /// ARNs of AWS KMS of the new group; may be given several times
    #[arg(long, value_name = "KEY", action = clap::ArgAction::Append)]
    kms: Vec<String>,

    /// Resource ids of GCP KMS of the new group; may be given several times
    #[arg(long, value_name = "KEY", action = clap::ArgAction::Append)]
    gcp_kms: Vec<String>,

    /// Key ids of HuaweiCloud KMS of the new group; may be given several times
    #[arg(long, value_name = "KEY", action = clap::ArgAction::Append)]
    hckms: Vec<String>,

    /// URLs of Azure Key Vault keys of the new group; may be given several times
    #[arg(long, value_name = "KEY", action = clap::ArgAction::Append)]
    azure_kv: Vec<String>,

    /// URIs of keys in the transit engine of Vault of the new group; may be given several times
    #[arg(long, value_name = "KEY", action = clap::ArgAction::Append)]
    hc_vault_transit: Vec<String>,

    #[command(flatten)]
    kms_options: KmsArgs,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    context.check_given_config()?;
    let Some(file) = args.file.as_deref().filter(|file| *file != Path::new("")) else {
        return Err(Failure::new(Code::Input, "no file specified").hint("name it with --file"));
    };
    if args.json && !args.in_place {
        let message = "--json and the file cannot both go to standard output";
        return Err(Failure::new(Code::Conflict, message)
            .hint("with --in-place, the file is replaced, and the report is printed"));
    }
    let change = args.change()?;
    let types = TypeArgs::of_input(args.input_type.clone());
    let target = context.target(Some(file), &types)?;
    let failed = target.failed(Doing::Decrypting);
    let original = Original::read(file).map_err(|failure| failure.with_code(Code::Input))?;
    let encrypted = target.parse(original.content())?;
    let metadata = encrypted.metadata();
    let before = master_keys::of_entries(&metadata.groups);
    // A threshold of one group says nothing about several.
    let of_file = metadata.shamir_threshold.filter(|_| before.len() > 1);
    let groups = change
        .apply(before)
        .map_err(|failure| failure.in_file(&target.name))?;
    let threshold = args
        .threshold(of_file, groups.len())
        .map_err(|failure| failure.in_file(&target.name))?;
    // The values are not looked at.
    let unlocked = context.unlock(encrypted, &target, &[])?;
    let bytes = unlocked
        .rewrap(&groups, threshold, context.keyring(Doing::Encrypting)?)
        .map_err(failed)?;
    if args.in_place {
        original.replace(&bytes)?;
        if args.json {
            ui::print(&report(&target.name, &groups, threshold))?;
        }
    } else {
        ui::write_stdout(&bytes)?;
    }
    if args.action == Action::Delete {
        warn_of_deleted(&target.name, context.ui);
    }
    Ok(())
}

/// Who was in the group keeps what they know.
fn warn_of_deleted(file: &str, ui: Ui) {
    ui.warning(&format!(
        "{file}: who could decrypt the file before may know its data key, which stays the same"
    ));
    ui.hint("`sops rotate --in-place FILE` gives it another");
}

/// The groups that a file has now, in JSON.
fn report(file: &str, groups: &[Vec<MasterKey>], threshold: Option<usize>) -> String {
    let key = |key: &MasterKey| {
        Object::new()
            .text("kind", key.kind())
            .text("key", &key.to_string())
            .finish()
    };
    // As it is decided when it is not said: all groups are needed.
    let threshold = threshold
        .or(Some(groups.len()))
        .filter(|_| groups.len() > 1);
    Object::new()
        .text("file", file)
        .number_or_null("shamir_threshold", threshold)
        .list(
            "groups",
            groups.iter().map(|group| json::list(group.iter().map(key))),
        )
        .line()
}

/// What is to be done.
enum Change {
    Add(Vec<MasterKey>),
    Delete(usize),
}

impl Change {
    /// The groups after the change.
    fn apply(self, mut groups: Vec<Vec<MasterKey>>) -> Result<Vec<Vec<MasterKey>>, Failure> {
        let count = groups.len();
        match self {
            Self::Add(group) => groups.push(group),
            Self::Delete(index) if index < count => drop(groups.remove(index)),
            Self::Delete(index) => {
                let message = format!("there is no key group {index}: the file has {count}");
                return Err(Failure::new(Code::Generic, message)
                    .hint("groups are counted from 0; `sops recipients FILE` lists them"));
            }
        }
        Ok(groups)
    }
}

impl Args {
    /// How many of `count` groups will be needed: as many as is asked for, or as before.
    fn threshold(&self, before: Option<usize>, count: usize) -> Result<Option<usize>, Failure> {
        let given = self
            .shamir_secret_sharing_threshold
            .filter(|&number| number > 0);
        let threshold = given.or(before).filter(|&number| number > 0);
        if let Some(threshold) = threshold
            && threshold > count
        {
            let message = format!(
                "this makes the Shamir threshold impossible to satisfy: it is {threshold}, but there would be {count} key groups"
            );
            return Err(Failure::new(Code::Generic, message)
                .hint("give another with --shamir-secret-sharing-threshold"));
        }
        if count == 0 {
            let message = "the last key group cannot be deleted: nobody could decrypt the file";
            return Err(Failure::new(Code::Generic, message));
        }
        Ok(threshold)
    }

    fn change(&self) -> Result<Change, Failure> {
        let refused = |message: &str| Err(Failure::new(Code::Generic, message));
        match (self.action, self.index.as_slice()) {
            (Action::Add, []) => {
                let keys = self.group.read()?;
                if keys.is_empty() {
                    return refused("a key group needs a key: --age RECIPIENT");
                }
                Ok(Change::Add(keys))
            }
            (Action::Add, _) => {
                refused("no positional arguments allowed: name the file with --file")
            }
            (Action::Delete, [index]) => index.parse().map(Change::Delete).map_err(|_| {
                let message = format!("{index:?} is no number of a key group");
                Failure::new(Code::Generic, message).hint("groups are counted from 0")
            }),
            (Action::Delete, _) => {
                refused("exactly one positional argument required: the number of the group, from 0")
            }
        }
    }
}

impl GroupArgs {
    fn read(&self) -> Result<Vec<MasterKey>, Failure> {
        let options = self.kms_options.read()?;
        let mut keys: Vec<MasterKey> = Vec::new();
        for (flag, kind, lists) in [
            ("--pgp", "pgp", &self.pgp),
            ("--kms", "kms", &self.kms),
            ("--gcp-kms", "gcp_kms", &self.gcp_kms),
            ("--hckms", "hckms", &self.hckms),
            ("--hc-vault-transit", "hc_vault", &self.hc_vault_transit),
            ("--azure-kv", "azure_kv", &self.azure_kv),
            ("--age", "age", &self.age),
        ] {
            for list in lists {
                for key in master_keys::parse(flag, kind, list, &options)? {
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
        }
        Ok(keys)
    }
}
