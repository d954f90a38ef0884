//! `sops updatekeys`.

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use sops_core::{
    DecryptOptions, EncryptedFile,
    metadata::{MasterKey, brief},
};

use super::groups;
use crate::{
    answer,
    cli::TypeArgs,
    context::{Context, Event, Target},
    error::{Code, Doing, Failure},
    files::Original,
    json, patterns, ui,
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
    let failed = |error| Failure::from_library(&error, Doing::Decrypting, &target.name);
    let original = Original::read(file).map_err(|failure| failure.with_code(Code::Generic))?;
    let encrypted = EncryptedFile::parse(original.content(), target.format).map_err(failed)?;
    let before = groups::keys(&encrypted.metadata().groups);
    let old_threshold = encrypted.metadata().shamir_threshold.unwrap_or(0);
    let mut wanted = Wanted::find(args, context, &target, old_threshold)?;
    wanted.resolve(context, &name)?;

    let difference = difference(&before, &wanted.groups);
    let keys_change = difference
        .iter()
        .any(|group| !group.added.is_empty() || !group.removed.is_empty());
    if !keys_change && wanted.threshold == old_threshold && !args.rotate {
        let outcome = Outcome::UpToDate;
        return wanted.report(args, context, &name, outcome, &difference, old_threshold);
    }
    let mut question = String::from("The following changes will be made to the file's groups:\n");
    let paint = Paint::of(args.json);
    question += &show(&difference, old_threshold, wanted.threshold, paint);
    if args.rotate {
        question += "Every value will be encrypted anew, under a new data key.\n";
    }
    // With JSON, standard output is for that alone.
    let say = |text: &str| match args.json {
        true => context.ui.ask(text),
        false => ui::print_painted(text),
    };
    if !(args.json && args.yes) {
        say(&question)?;
    }
    if !args.yes && !ask(say)? {
        let outcome = Outcome::Declined;
        return wanted.report(args, context, &name, outcome, &difference, old_threshold);
    }

    let keyring = context.keyring(Doing::Decrypting)?;
    let unlocked = encrypted.unlock(keyring).map_err(failed)?;
    let threshold = (wanted.threshold > 0).then_some(wanted.threshold);
    let bytes = if args.rotate {
        for event in [Event::Rotate, Event::Decrypt, Event::Encrypt] {
            context.record(event, &target)?;
        }
        let rotated = unlocked
            .with_layout(context.layout()?)
            .rotate(
                &wanted.groups,
                threshold,
                &DecryptOptions::default(),
                keyring,
            )
            .map_err(failed)?;
        context.ui.warn_of_all(&target.name, &rotated.warnings);
        rotated.bytes
    } else {
        unlocked
            .rewrap(&wanted.groups, threshold, keyring)
            .map_err(failed)?
    };
    original.replace(&bytes)?;
    let outcome = Outcome::Updated;
    wanted.report(args, context, &name, outcome, &difference, old_threshold)?;
    warn_of_removed(context, &name, &difference, args.rotate);
    Ok(())
}

/// What became of a file.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    UpToDate,
    Updated,
    Declined,
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

impl Wanted {
    fn report(
        &self,
        args: &Args,
        context: &Context,
        file: &str,
        outcome: Outcome,
        difference: &[Difference],
        old_threshold: usize,
    ) -> Result<(), Failure> {
        let (word, sentence) = match outcome {
            Outcome::UpToDate => ("up-to-date", "already up to date"),
            Outcome::Updated => ("updated", "synced with new keys"),
            Outcome::Declined => ("declined", "left unchanged"),
        };
        if !args.json {
            context.ui.note(&format!("{file}: {sentence}"));
            return Ok(());
        }
        let threshold = |number: usize| json::number_or_null((number > 0).then_some(number));
        let groups = difference.iter().map(|group| {
            format!(
                "{{\"kept\":{},\"added\":{},\"removed\":{}}}",
                json::list_of_texts(&group.common),
                json::list_of_texts(&group.added),
                json::list_of_texts(&group.removed)
            )
        });
        ui::print(&format!(
            "{{\"file\":{},\"status\":\"{word}\",\"rotated\":{},\"shamir_threshold\":{{\"before\":{},\"after\":{}}},\"groups\":{}}}\n",
            json::quoted(file),
            args.rotate && matches!(outcome, Outcome::Updated),
            threshold(old_threshold),
            threshold(self.threshold),
            json::list(groups)
        ))
    }
}

/// What changes in one key group.
struct Difference {
    common: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
}

fn difference(before: &[Vec<MasterKey>], after: &[Vec<MasterKey>]) -> Vec<Difference> {
    let names = |groups: &[Vec<MasterKey>], at: usize| -> Vec<String> {
        let group = groups.get(at).map(Vec::as_slice).unwrap_or_default();
        group.iter().map(MasterKey::to_string).collect()
    };
    (0..before.len().max(after.len()))
        .map(|at| {
            let before = names(before, at);
            let after = names(after, at);
            let removed = before
                .iter()
                .filter(|key| !after.contains(key))
                .cloned()
                .collect();
            let (common, added) = after.into_iter().partition(|key| before.contains(key));
            Difference {
                common,
                added,
                removed,
            }
        })
        .collect()
}

/// The changes as the reference prints them.
fn show(difference: &[Difference], old_threshold: usize, threshold: usize, paint: Paint) -> String {
    let mut text = String::new();
    if old_threshold > 0 && old_threshold == threshold {
        text += &format!("shamir_threshold: {threshold}\n");
    } else {
        if threshold > 0 {
            text += &paint.line("32", &format!("+++ shamir_threshold: {threshold}"));
        }
        if old_threshold > 0 {
            text += &paint.line("31", &format!("--- shamir_threshold: {old_threshold}"));
        }
    }
    for (at, group) in difference.iter().enumerate() {
        text += &paint.line("4", &format!("Group {}", at + 1));
        for key in &group.common {
            text += &format!("    {}\n", brief(key));
        }
        for key in &group.added {
            text += &paint.line("32", &format!("+++ {}", brief(key)));
        }
        for key in &group.removed {
            text += &paint.line("31", &format!("--- {}", brief(key)));
        }
    }
    text
}

/// Whether the stream that a question goes to takes colours.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn of(is_standard_error: bool) -> Self {
        let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = match is_standard_error {
            true => io::stderr().is_terminal(),
            false => io::stdout().is_terminal(),
        };
        Self(!forbidden && is_terminal)
    }

    fn line(self, style: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{style}m{text}\x1b[0m\n"),
            false => format!("{text}\n"),
        }
    }
}

fn ask(say: impl Fn(&str) -> Result<(), Failure>) -> Result<bool, Failure> {
    answer::yes_or_no(|| say("Is this okay? (y/n):"))?.ok_or_else(|| {
        let message = "nobody answered; nothing was changed";
        Failure::new(Code::Generic, message).hint("--yes does not ask")
    })
}

/// Who is removed keeps what they know.
fn warn_of_removed(context: &Context, file: &str, difference: &[Difference], is_rotated: bool) {
    let stays = |key: &String| {
        difference
            .iter()
            .any(|group| group.common.contains(key) || group.added.contains(key))
    };
    let mut gone: Vec<&str> = Vec::new();
    for key in difference.iter().flat_map(|group| &group.removed) {
        if !stays(key) && !gone.contains(&key.as_str()) {
            gone.push(key);
        }
    }
    if gone.is_empty() {
        return;
    }
    let gone = gone.into_iter().map(brief).collect::<Vec<_>>().join(", ");
    if is_rotated {
        context
            .ui
            .warning(&format!("{file}: {gone} may have read the values before"));
        context.ui.hint("change the secrets themselves too");
    } else {
        context.ui.warning(&format!(
            "{file}: {gone} may still know the data key, which stays the same"
        ));
        context.ui.hint(
            "`sops rotate --in-place FILE` gives the file another; change the secrets themselves too",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(recipient: &str) -> MasterKey {
        MasterKey::Age {
            recipient: recipient.to_owned(),
        }
    }

    fn shown(
        before: &[&[&str]],
        after: &[&[&str]],
        old_threshold: usize,
        threshold: usize,
    ) -> String {
        let groups = |groups: &[&[&str]]| -> Vec<Vec<MasterKey>> {
            groups
                .iter()
                .map(|group| group.iter().map(|name| key(name)).collect())
                .collect()
        };
        show(
            &difference(&groups(before), &groups(after)),
            old_threshold,
            threshold,
            Paint(false),
        )
    }

    #[test]
    fn shows_what_comes_and_goes() {
        assert_eq!(
            shown(&[&["a", "b"]], &[&["c", "a"]], 0, 0),
            "Group 1\n    a\n+++ c\n--- b\n"
        );
        assert_eq!(
            shown(&[&["a"], &["b"]], &[&["a"]], 2, 1),
            "+++ shamir_threshold: 1\n--- shamir_threshold: 2\nGroup 1\n    a\nGroup 2\n--- b\n"
        );
        assert_eq!(
            shown(&[&["a"]], &[&["a"], &["b"]], 0, 0),
            "Group 1\n    a\nGroup 2\n+++ b\n"
        );
        assert_eq!(
            shown(&[&["a"], &["b"]], &[&["b"], &["a"]], 2, 2),
            "shamir_threshold: 2\nGroup 1\n+++ b\n--- a\nGroup 2\n+++ a\n--- b\n"
        );
    }

    #[test]
    fn another_order_is_no_difference() {
        let groups = [&["a", "b"][..]];
        let swapped = [&["b", "a"][..]];
        assert!(!shown(&groups, &swapped, 0, 0).contains("+++"));
    }
}
