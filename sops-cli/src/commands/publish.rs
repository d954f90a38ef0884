//! `sops publish`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use sops_core::{
    DecryptOptions, EncryptOptions, EncryptedFile, Format, Plaintext, SecretBytes,
    config::{Config, CreationRule, Destination, DestinationRule},
    metadata::MasterKey,
};

use crate::{
    backends,
    cli::TypeArgs,
    context::{Context, Event, Target},
    dialogue::Dialogue,
    error::{Code, Doing, Failure},
    files,
    json::Object,
    ui,
};

/// Publish files where the `destination_rules` of .sops.yaml say
///
/// To buckets of AWS S3 and Google Cloud Storage they go encrypted: as they are, or anew for the keys of the rule's
/// `recreation_rule`. To a key-value engine of Vault go their values.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file, or a folder with --recursive
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Publish without asking
    #[arg(long, short)]
    yes: bool,

    /// Leave out the extensions of names where they are published
    #[arg(long)]
    omit_extensions: bool,

    /// Publish all files of a folder
    #[arg(long)]
    recursive: bool,

    /// Print a line of JSON for each file; questions go to standard error
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    // As in the reference, the first thing that may be missing.
    configuration(context)?;
    let Some(root) = args.paths.first() else {
        return Err(Failure::new(Code::NoFile, "no file specified"));
    };
    context.warn_about_destinations()?;
    if args.paths.len() > 1 {
        context.ui.warning("only the first file is published");
    }
    let found = fs::metadata(root)
        .map_err(|error| Failure::reading(root, &error).with_code(Code::Generic))?;
    if !found.is_dir() {
        return publish(args, context, root, None);
    }
    if !args.recursive {
        return Err(Failure::new(
            Code::Generic,
            "can't operate on a directory without --recursive flag.",
        )
        .in_file(&root.display().to_string()));
    }
    let mut paths = Vec::new();
    files_in(root, &mut paths)?;
    paths
        .iter()
        .try_for_each(|path| publish(args, context, path, Some(root)))
}

/// All files below a folder, in the order of their names.
fn files_in(root: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let unreadable =
            |error: io::Error| Failure::reading(&path, &error).with_code(Code::Generic);
        // Links to folders are not followed, as they may lead in circles.
        if !fs::symlink_metadata(&path).map_err(unreadable)?.is_dir() {
            paths.push(path);
            continue;
        }
        let entries = fs::read_dir(&path).map_err(unreadable)?;
        let entries = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut entries: Vec<_> = entries.collect::<io::Result<_>>().map_err(unreadable)?;
        entries.sort_by(|left, right| right.cmp(left));
        open.extend(entries);
    }
    Ok(())
}

fn publish(
    args: &Args,
    context: &Context,
    path: &Path,
    root: Option<&Path>,
) -> Result<(), Failure> {
    let name = path.display().to_string();
    let target = context.target(Some(path), &TypeArgs::default())?;
    let rule = rule_for(context, path)?;
    let Some(destination) = &rule.destination else {
        return Err(
            Failure::new(Code::Generic, "no destination configured for this file")
                .in_file(&name)
                .hint("a rule of destination_rules has an s3_bucket, a gcs_bucket or a vault_path"),
        );
    };
    let parcel = pack(context, &target, path, rule)?;
    let published = published_name(path, root, args.omit_extensions || rule.omit_extensions);
    let notice = Notice {
        context,
        is_json: args.json,
        file: &name,
        place: &describe(destination, &published),
    };
    if !args.yes && !notice.confirm()? {
        return notice.of_declined(root.is_some());
    }
    let time_limit = backends::time_limit()?;
    let news = send(destination, &published, &parcel, time_limit)
        .map_err(|failure| failure.in_file(&name))?;
    notice.of_sent(news)
}

/// What the rule wants to be published of a file.
fn pack(
    context: &Context,
    target: &Target,
    path: &Path,
    rule: &DestinationRule,
) -> Result<SecretBytes, Failure> {
    let content = files::read(path).map_err(|failure| failure.with_code(Code::Generic))?;
    let failed = target.failed(Doing::Decrypting);
    let encrypted = EncryptedFile::parse(content.expose(), target.format).map_err(failed)?;
    if let Some(Destination::Vault { .. }) = rule.destination {
        return open(context, target, encrypted)?
            .convert(Format::Json, Some(0))
            .map_err(failed);
    }
    match rule
        .recreation_rule
        .as_ref()
        .filter(|rule| names_keys(rule))
    {
        Some(rule) => recreate(context, target, encrypted, rule),
        None => Ok(content),
    }
}

/// What is said about a file that is published.
struct Notice<'n> {
    context: &'n Context,
    is_json: bool,
    file: &'n str,
    place: &'n str,
}

impl Notice<'_> {
    fn confirm(&self) -> Result<bool, Failure> {
        let question = format!("uploading {} to {} ? (y/n): ", self.file, self.place);
        let no_answer = Failure::new(Code::Generic, "nobody answers");
        Dialogue::new(self.context.ui, self.is_json)
            .confirm(&question, no_answer.hint("--yes publishes without asking"))
    }

    /// Of several files, the others may still be published.
    fn of_declined(&self, is_one_of_many: bool) -> Result<(), Failure> {
        let message = format!("Publication of {} canceled", self.file);
        match is_one_of_many {
            true if self.is_json => self.report("declined"),
            true => ui::print(&format!("{message}\n")),
            false => Err(Failure::new(Code::Generic, message)),
        }
    }

    fn of_sent(&self, news: Published) -> Result<(), Failure> {
        let (status, sentence) = match news {
            Published::AtPlace => ("published", "published at"),
            Published::UpToDate => ("up-to-date", "already up to date at"),
        };
        if self.is_json {
            return self.report(status);
        }
        let (file, place) = (self.file, self.place);
        self.context.ui.note(&format!("{file}: {sentence} {place}"));
        Ok(())
    }

    fn report(&self, status: &str) -> Result<(), Failure> {
        let report = Object::new()
            .text("file", self.file)
            .text("destination", self.place)
            .text("status", status);
        ui::print(&report.line())
    }
}

fn configuration(context: &Context) -> Result<&Config, Failure> {
    context.config()?.ok_or_else(|| {
        Failure::new(Code::Generic, "config file not found")
            .hint("destination_rules in a .sops.yaml say where files are published")
    })
}

/// The rule for a path, which is taken as it was given.
fn rule_for<'c>(context: &'c Context, path: &Path) -> Result<&'c DestinationRule, Failure> {
    let rule = configuration(context)?.destination_for(&path.to_string_lossy());
    rule.map_err(|error| Failure::from_config(&error))
}

fn names_keys(rule: &CreationRule) -> bool {
    rule.groups()
        .first()
        .is_some_and(|group: &Vec<MasterKey>| !group.is_empty())
}

/// Encrypts a file anew, with all that the rule says.
fn recreate(
    context: &Context,
    target: &Target,
    encrypted: EncryptedFile<'_>,
    rule: &CreationRule,
) -> Result<SecretBytes, Failure> {
    let plain = open(context, target, encrypted)?;
    rule.check_keys()
        .map_err(|error| Failure::from_config(&error))?;
    let mut options = EncryptOptions::of_rule(rule);
    options.layout = context.layout()?;
    context.record(Event::Encrypt, target)?;
    let keyring = context.keyring(Doing::Encrypting)?;
    sops_core::encrypt(plain.bytes(), target.format, &options, keyring)
        .map(SecretBytes::new)
        .map_err(target.failed(Doing::Encrypting))
}

/// Decrypts a file.
fn open(
    context: &Context,
    target: &Target,
    encrypted: EncryptedFile<'_>,
) -> Result<Plaintext, Failure> {
    let unlocked = context.unlock(encrypted, target, &[Event::Decrypt])?;
    unlocked
        .decrypt(&DecryptOptions::default())
        .map_err(target.failed(Doing::Decrypting))
}

/// The name of a file where it is published: with the folders below the one that is published, or without any.
fn published_name(path: &Path, root: Option<&Path>, omit_extension: bool) -> String {
    let name = match root.and_then(|root| path.strip_prefix(root).ok()) {
        Some(below) => below.to_owned(),
        None => path.file_name().map(PathBuf::from).unwrap_or_default(),
    };
    let steps = name.iter().map(|step| step.to_string_lossy());
    let mut name = steps.collect::<Vec<_>>().join("/");
    let last = name.rfind('/').map_or(0, |at| at + 1);
    // As in the reference, all of `.env` is extension.
    if let Some(dot) = name[last..].rfind('.').filter(|_| omit_extension) {
        name.truncate(last + dot);
    }
    name
}

fn describe(destination: &Destination, name: &str) -> String {
    match destination {
        Destination::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}{name}"),
        Destination::Gcs { bucket, prefix } => format!("gcs://{bucket}/{prefix}{name}"),
        Destination::Vault {
            address,
            path,
            mount,
            version,
        } => {
            let folder = if *version == 1 { "" } else { "data/" };
            let server = match address.as_str() {
                "" => std::env::var("VAULT_ADDR").unwrap_or_default(),
                address => address.to_owned(),
            };
            format!("{server}/v1/{mount}{folder}{path}{name}")
        }
        _ => name.to_owned(),
    }
}

/// What was done.
#[cfg_attr(
    not(feature = "hc-vault"),
    expect(dead_code, reason = "only Vault says that a file is there already")
)]
enum Published {
    AtPlace,
    UpToDate,
}

/// Sends it, and says what was done.
#[cfg_attr(
    not(any(feature = "aws-kms", feature = "gcp-kms", feature = "hc-vault")),
    expect(
        unused_variables,
        reason = "a build without any service can publish nowhere"
    )
)]
fn send(
    destination: &Destination,
    name: &str,
    parcel: &SecretBytes,
    time_limit: Duration,
) -> Result<Published, Failure> {
    let failed = |error| Failure::from_key(&error, Doing::Encrypting);
    match destination {
        #[cfg(feature = "aws-kms")]
        Destination::S3 { bucket, prefix } => {
            let s3 = sops_aws_kms::S3::from_env(time_limit);
            s3.put(bucket, &format!("{prefix}{name}"), parcel.expose())
                .map_err(failed)?;
            Ok(Published::AtPlace)
        }
        #[cfg(feature = "gcp-kms")]
        Destination::Gcs { bucket, prefix } => {
            let storage = sops_gcp_kms::CloudStorage::from_env(time_limit);
            storage
                .put(bucket, &format!("{prefix}{name}"), parcel.expose())
                .map_err(failed)?;
            Ok(Published::AtPlace)
        }
        #[cfg(feature = "hc-vault")]
        Destination::Vault {
            address,
            path,
            mount,
            version,
        } => {
            use sops_hc_vault::{HcVault, SecretPlace};

            let vault = HcVault::from_env().with_time_limit(time_limit);
            let path = format!("{path}{name}");
            let place = SecretPlace::new(address, mount, &path, *version);
            match vault.put_secret(&place, parcel).map_err(failed)? {
                sops_hc_vault::Published::UpToDate => Ok(Published::UpToDate),
                _ => Ok(Published::AtPlace),
            }
        }
        _ => Err(
            Failure::new(Code::Generic, "this build cannot publish there")
                .hint("a build with the features aws-kms, gcp-kms and hc-vault can"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = |path: &str, root: Option<&str>, omit| {
            published_name(Path::new(path), root.map(Path::new), omit)
        };
        assert_eq!(name("a/b/c.yaml", None, false), "c.yaml");
        assert_eq!(name("a/b/c.yaml", None, true), "c");
        assert_eq!(name("a/b.d/c", Some("a"), true), "b.d/c");
        assert_eq!(name("a/b.d/c.enc.yaml", Some("a/"), true), "b.d/c.enc");
        assert_eq!(name("a/.env", Some("a"), true), "");
    }
}
