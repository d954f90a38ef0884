//! `sops updatekeys`.

use std::path::{Path, PathBuf};

use sops_core::{
    DecryptOptions, EncryptedFile,
    metadata::{MasterKey, brief},
};

use super::difference::Difference;
use crate::{
    cli::TypeArgs,
    context::{Context, Event, Target},
    dialogue::Dialogue,
    error::{Code, Doing, Failure},
    files::Original,
    json::Object,
    master_keys, patterns, ui,
};

/// Bring the keys of files into line with the rules in `.sops.yaml`
///
/// Shows which keys come and go, and asks. The data key is wrapped for the new keys; values, MAC and date stay as they
/// are. With --rotate, every value is encrypted anew under a new data key.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The files; patterns such as `'secrets/**/*.yaml'` are expanded if no shell did so
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// The format of the files: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    input_type: Option<String>,

    /// How many key groups are needed to decrypt; as many as before, if not given
    #[arg(long, value_name = "N")]
    shamir_secret_sharing_threshold: Option<usize>,

    /// Give the files a new data key as well, also those whose keys are up to date
    #[arg(long)]
    rotate: bool,

    /// Print a line of JSON for each file; questions go to standard error
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if context.config()?.is_none() {
        return Err(Failure::new(Code::Generic, "config file not found")
            .hint("the keys are taken from the rules in a .sops.yaml; `sops init` makes one"));
    }
    let mut files = Vec::new();
    for file in &args.files {
        files.extend(patterns::expand(file)?);
    }
    match files.as_slice() {
        [] => Err(Failure::new(Code::NoFile, "no file specified")),
        [file] => one(args, context, file),
        files => {
            let mut failed = 0;
            for file in files {
                if let Err(failure) = one(args, context, file) {
                    failure.print(context.ui);
                    failed += 1;
                }
            }
            match failed {
                0 => Ok(()),
                _ => Err(Failure::new(
                    Code::Generic,
                    format!("failed updating {failed} of {} files", files.len()),
                )),
            }
        }
    }
}

fn one(args: &Args, context: &Context, file: &Path) -> Result<(), Failure> {
    let name = file.display().to_string();
    if file.is_dir() {
        return Err(Failure::new(Code::Generic, "can't operate on a directory")
            .in_file(&name)
            .hint("name the files, or give a pattern: sops updatekeys 'FOLDER/**/*.yaml'"));
    }
    let types = TypeArgs::of_input(args.input_type.clone());
    let target = context.target(Some(file), &types)?;
    let original = Original::read(file).map_err(|failure| failure.with_code(Code::Generic))?;
    let encrypted = target.parse(original.content())?;
    let before = master_keys::of_entries(&encrypted.metadata().groups);
    let old_threshold = encrypted.metadata().shamir_threshold.unwrap_or(0);
    let mut wanted = Wanted::find(args, context, &target, old_threshold)?;
    wanted.resolve(context, &name)?;

    let difference =
        Difference::between((&before, old_threshold), (&wanted.groups, wanted.threshold));
    let run = Run {
        args,
        context,
        target: &target,
        difference: &difference,
    };
    if difference.is_none() && !args.rotate {
        return run.report(Outcome::UpToDate);
    }
    if !run.confirm()? {
        return run.report(Outcome::Declined);
    }
    original.replace(&run.rewrap(encrypted, &wanted)?)?;
    run.report(Outcome::Updated)?;
    run.warn_of_removed();
    Ok(())
}

/// What became of a file.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    UpToDate,
    Updated,
    Declined,
}

/// One file, and what is to change about it.
struct Run<'r> {
    args: &'r Args,
    context: &'r Context,
    target: &'r Target,
    difference: &'r Difference,
}

impl Run<'_> {
    /// Shows what will change, and asks, unless somebody said yes already.
    fn confirm(&self) -> Result<bool, Failure> {
        let Args {
            yes, json, rotate, ..
        } = *self.args;
        if yes && json {
            return Ok(true);
        }
        let dialogue = Dialogue::new(self.context.ui, json);
        let mut changes =
            String::from("The following changes will be made to the file's groups:\n");
        changes += &self.difference.show(dialogue.takes_colours());
        if rotate {
            changes += "Every value will be encrypted anew, under a new data key.\n";
        }
        dialogue.say_painted(&changes)?;
        if yes {
            return Ok(true);
        }
        let no_answer = Failure::new(Code::Generic, "nobody answered; nothing was changed");
        dialogue.confirm("Is this okay? (y/n):", no_answer.hint("--yes does not ask"))
    }

    /// The file with its new keys, and with a new data key if that is wanted.
    fn rewrap(&self, encrypted: EncryptedFile<'_>, wanted: &Wanted) -> Result<Vec<u8>, Failure> {
        let context = self.context;
        let failed = self.target.failed(Doing::Decrypting);
        let threshold = (wanted.threshold > 0).then_some(wanted.threshold);
        if !self.args.rotate {
            // The values are not looked at.
            let unlocked = context.unlock(encrypted, self.target, &[])?;
            let keyring = context.keyring(Doing::Encrypting)?;
            let rewrapped = unlocked.rewrap(&wanted.groups, threshold, keyring);
            return rewrapped.map_err(failed);
        }
        let unlocked = context.unlock(encrypted, self.target, &Event::ROTATION)?;
        let keyring = context.keyring(Doing::Encrypting)?;
        let rotated = unlocked
            .with_layout(context.layout()?)
            .rotate(
                &wanted.groups,
                threshold,
                &DecryptOptions::default(),
                keyring,
            )
            .map_err(failed)?;
        context.ui.warn_of_all(&self.target.name, &rotated.warnings);
        Ok(rotated.bytes)
    }

    fn report(&self, outcome: Outcome) -> Result<(), Failure> {
        let (word, sentence) = match outcome {
            Outcome::UpToDate => ("up-to-date", "already up to date"),
            Outcome::Updated => ("updated", "synced with new keys"),
            Outcome::Declined => ("declined", "left unchanged"),
        };
        let file = &self.target.name;
        if !self.args.json {
            self.context.ui.note(&format!("{file}: {sentence}"));
            return Ok(());
        }
        let is_rotated = self.args.rotate && matches!(outcome, Outcome::Updated);
        let report = Object::new()
            .text("file", file)
            .text("status", word)
            .truth("rotated", is_rotated);
        ui::print(&self.difference.report(report).line())
    }

    /// Who is removed keeps what they know.
    fn warn_of_removed(&self) {
        let gone = self.difference.gone();
        if gone.is_empty() {
            return;
        }
        let gone = gone.into_iter().map(brief).collect::<Vec<_>>().join(", ");
        let (file, ui) = (&self.target.name, self.context.ui);
        if self.args.rotate {
            ui.warning(&format!("{file}: {gone} may have read the values before"));
            ui.hint("change the secrets themselves too");
        } else {
            ui.warning(&format!(
                "{file}: {gone} may still know the data key, which stays the same"
            ));
            ui.hint(
                "`sops rotate --in-place FILE` gives the file another; change the secrets themselves too",
            );
        }
    }
}

/// What the rule says.
struct Wanted {
    groups: Vec<Vec<MasterKey>>,
    /// 0 if nobody says how many groups are needed.
    threshold: usize,
}

impl Wanted {
    fn find(
        args: &Args,
        context: &Context,
        target: &Target,
        old_threshold: usize,
    ) -> Result<Self, Failure> {
        let rule = context
            .rule(&target.path)?
            .map_err(|failure| failure.in_file(&target.name))?;
        rule.check_keys()
            .map_err(|error| Failure::from_config(&error))?;
        let groups = rule.groups();
        if groups.iter().any(Vec::is_empty) {
            return Err(Failure::new(
                Code::Generic,
                "the creation rule for the file names no keys",
            )
            .in_file(&target.name));
        }
        let given = args
            .shamir_secret_sharing_threshold
            .filter(|&number| number > 0);
        let of_rule = rule.shamir_threshold.filter(|_| groups.len() > 1);
        // As in the reference, the threshold of the file stays; that of the rule counts where the file has none.
        let threshold = given
            .or(Some(old_threshold).filter(|&number| number > 1))
            .or(of_rule)
            .unwrap_or(old_threshold);
        if let Some(of_rule) = of_rule
            && of_rule != threshold
            && given.is_none()
        {
            context.ui.warning(&format!(
                "{}: {threshold} key groups are needed to decrypt, the rule says {of_rule}",
                target.name
            ));
            context.ui.hint(&format!(
                "--shamir-secret-sharing-threshold {of_rule} changes it"
            ));
        }
        Ok(Self {
            threshold: threshold.min(groups.len()),
            groups,
        })
    }

    /// Names keys that stand for their current version by that, as the file does. Asks nobody where there is none.
    fn resolve(&mut self, context: &Context, file: &str) -> Result<(), Failure> {
        let stands_for_another = |key: &MasterKey| matches!(key, MasterKey::AzureKv { version, .. } if version.is_empty());
        for key in self
            .groups
            .iter_mut()
            .flatten()
            .filter(|key| stands_for_another(key))
        {
            let resolved = context.keyring(Doing::Decrypting)?.resolve(key);
            *key = resolved
                .map_err(|error| Failure::from_key(&error, Doing::Encrypting).in_file(file))?;
        }
        Ok(())
    }
}
