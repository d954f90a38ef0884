//! `sops rotate`.

use sops_core::{
    DecryptOptions,
    metadata::{KeyEntry, MasterKey, brief},
};

use super::transform::{Contents, FileArgs, Product};
use crate::{
    cli::{KmsArgs, TypeArgs},
    context::{Context, Event},
    error::{Code, Doing, Failure},
    master_keys,
    ui::Ui,
};

/// Give files a new data key, and encrypt every value anew
///
/// Keys can be added and removed at the same time: who is removed cannot decrypt the new file. They know the values
/// that they could read before; change those too. The rules in `.sops.yaml` are not looked at, see `sops updatekeys`.
#[derive(clap::Args, Debug)]
#[command(mut_arg("files", |files| files.help("The file. With --in-place there may be many")))]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    types: TypeArgs,
    #[command(flatten)]
    changes: ChangeArgs,

    /// Go on when the MAC does not fit: the file may have been tampered with
    #[arg(long)]
    ignore_mac: bool,
}

/// Which keys come and go.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Keys to add to the first key group, and to remove from all")]
pub(crate) struct ChangeArgs {
    /// Add age recipients, comma-separated
    #[arg(long, value_name = "LIST")]
    add_age: Option<String>,

    /// Add OpenPGP fingerprints, comma-separated
    #[arg(long, value_name = "LIST")]
    add_pgp: Option<String>,

    /// Add ARNs of AWS KMS, comma-separated
    #[arg(long, value_name = "LIST")]
    add_kms: Option<String>,

    /// Add resource ids of GCP KMS, comma-separated
    #[arg(long, value_name = "LIST")]
    add_gcp_kms: Option<String>,

    /// Add key ids of HuaweiCloud KMS, comma-separated
    #[arg(long, value_name = "LIST")]
    add_hckms: Option<String>,

    /// Add URLs of Azure Key Vault keys, comma-separated
    #[arg(long, value_name = "LIST")]
    add_azure_kv: Option<String>,

    /// Add URIs of keys in the transit engine of Vault, comma-separated
    #[arg(long, value_name = "LIST")]
    add_hc_vault_transit: Option<String>,

    /// Remove age recipients, comma-separated
    #[arg(long, value_name = "LIST")]
    rm_age: Option<String>,

    /// Remove OpenPGP fingerprints, comma-separated
    #[arg(long, value_name = "LIST")]
    rm_pgp: Option<String>,

    /// Remove ARNs of AWS KMS, comma-separated
    #[arg(long, value_name = "LIST")]
    rm_kms: Option<String>,

    /// Remove resource ids of GCP KMS, comma-separated
    #[arg(long, value_name = "LIST")]
    rm_gcp_kms: Option<String>,

    /// Remove key ids of HuaweiCloud KMS, comma-separated
    #[arg(long, value_name = "LIST")]
    rm_hckms: Option<String>,

    /// Remove URLs of Azure Key Vault keys, comma-separated
    #[arg(long, value_name = "LIST")]
    rm_azure_kv: Option<String>,

    /// Remove URIs of keys in the transit engine of Vault, comma-separated
    #[arg(long, value_name = "LIST")]
    rm_hc_vault_transit: Option<String>,

    #[command(flatten)]
    kms_options: KmsArgs,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    context.check_given_config()?;
    let Some(first) = args.files.files.first() else {
        return Err(Failure::new(Code::NoFile, "no file specified"));
    };
    let change = args.changes.read()?;
    if !change.is_none() && args.files.first().is_some() && !first.exists() {
        let message = format!(
            "cannot add or remove keys on non-existent file {:?}",
            first.display().to_string()
        );
        return Err(
            Failure::new(Code::KeysOfNoFile, message).hint("`sops edit FILE` makes a new file")
        );
    }
    let options = DecryptOptions::default().danger_ignore_mac(args.ignore_mac);
    args.files.transform(context, |file, content| {
        let target = context.target(file, &args.types)?;
        if target.output != target.format || context.rewriting(&target)?.is_some() {
            let message = "rotate keeps the format and the indentation of a file";
            return Err(Failure::new(Code::Conflict, message)
                .in_file(&target.name)
                .hint("decrypt it, and encrypt it with --output-type or --indent"));
        }
        let failed = target.failed(Doing::Decrypting);
        let encrypted = target.parse(content.bytes())?.as_what_it_holds();
        let threshold = encrypted.metadata().shamir_threshold;
        let groups = change.apply(&encrypted.metadata().groups, context.ui, &target.name)?;
        let rotated = context
            .unlock(encrypted, &target, &Event::ROTATION)?
            .with_layout(context.layout()?)
            .rotate(
                &groups,
                threshold,
                &options,
                context.keyring(Doing::Encrypting)?,
            )
            .map_err(failed)?;
        Ok(Product {
            bytes: Contents::Encrypted(rotated.bytes),
            warnings: rotated.warnings,
        })
    })
}

impl ChangeArgs {
    fn read(&self) -> Result<Change, Failure> {
        let options = self.kms_options.read()?;
        let keys = |lists: [(&str, &str, &Option<String>); 7]| {
            let mut keys = Vec::new();
            for (flag, kind, list) in lists {
                let list = list.as_deref().unwrap_or_default();
                keys.extend(master_keys::parse(flag, kind, list, &options)?);
            }
            Ok(keys)
        };
        let added = keys([
            ("--add-age", "age", &self.add_age),
            ("--add-pgp", "pgp", &self.add_pgp),
            ("--add-kms", "kms", &self.add_kms),
            ("--add-gcp-kms", "gcp_kms", &self.add_gcp_kms),
            ("--add-hckms", "hckms", &self.add_hckms),
            ("--add-azure-kv", "azure_kv", &self.add_azure_kv),
            (
                "--add-hc-vault-transit",
                "hc_vault",
                &self.add_hc_vault_transit,
            ),
        ])?;
        let removed = keys([
            ("--rm-age", "age", &self.rm_age),
            ("--rm-pgp", "pgp", &self.rm_pgp),
            ("--rm-kms", "kms", &self.rm_kms),
            ("--rm-gcp-kms", "gcp_kms", &self.rm_gcp_kms),
            ("--rm-hckms", "hckms", &self.rm_hckms),
            ("--rm-azure-kv", "azure_kv", &self.rm_azure_kv),
            (
                "--rm-hc-vault-transit",
                "hc_vault",
                &self.rm_hc_vault_transit,
            ),
        ])?;
        Ok(Change { added, removed })
    }
}

/// Keys that come and go.
#[derive(Debug, Default)]
struct Change {
    added: Vec<MasterKey>,
    removed: Vec<MasterKey>,
}

impl Change {
    fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// The key groups after the change. As in the reference, what is both added and removed is removed, and what is
    /// removed need not be there.
    fn apply(
        &self,
        groups: &[Vec<KeyEntry>],
        ui: Ui,
        file: &str,
    ) -> Result<Vec<Vec<MasterKey>>, Failure> {
        let mut groups = master_keys::of_entries(groups);
        if groups.is_empty() {
            groups.push(Vec::new());
        }
        let is_same = |one: &MasterKey, other: &MasterKey| {
            one.kind() == other.kind() && one.to_string() == other.to_string()
        };
        for key in &self.added {
            if groups[0].iter().any(|known| is_same(known, key)) {
                let key = key.to_string();
                let key = brief(&key);
                ui.warning(&format!("{file}: {key} is a key of the file already"));
            } else {
                groups[0].push(key.clone());
            }
        }
        for key in &self.removed {
            let count = groups.iter().map(Vec::len).sum::<usize>();
            for group in &mut groups {
                group.retain(|known| !is_same(known, key));
            }
            if groups.iter().map(Vec::len).sum::<usize>() == count {
                let key = key.to_string();
                let key = brief(&key);
                ui.warning(&format!(
                    "{file}: {key} is no key of the file, so it was not removed"
                ));
            }
        }
        if let Some(empty) = groups.iter().position(Vec::is_empty) {
            let message = match groups.len() {
                1 => "no key would be left, so that nobody could decrypt the file".to_owned(),
                _ => format!("no key would be left in key group {empty}"),
            };
            return Err(Failure::new(Code::Generic, message).in_file(file).hint(
                "add another key in the same run, or remove a group with `sops groups delete`",
            ));
        }
        Ok(groups)
    }
}
