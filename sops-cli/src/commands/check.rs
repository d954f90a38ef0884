//! `sops check`.

use std::{
    fmt::Write,
    path::{Component, Path, PathBuf},
};

use ignore::WalkBuilder;
use sops_core::{
    Format,
    check::{Checker, Expected, Finding},
    config::CreationRule,
    printable,
};

use super::transform::name_of;
use crate::{
    context::Context,
    error::{Code, Failure},
    files,
    json::{quoted, quoted_or_null},
    parallel::{self, Waits},
    ui,
};

/// Check that files are encrypted as the creation rules say; needs no key
///
/// Reports files that should be encrypted and are not, values in the clear that should not be, recipients that differ
/// from the rule, damaged values and metadata, merge-conflict markers. Without FILE it checks every file below the
/// working folder that a creation rule covers and every file that is encrypted, except those that git ignores.
/// Exits with 1 if anything is found.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The files; all below the working folder if none is given
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print the findings as a JSON array
    #[arg(long)]
    json: bool,

    /// Named files too are checked only if a creation rule means them, or if they are encrypted
    #[arg(long, hide = true)]
    pre_commit: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    // A mistake in the configuration is one for all files, not one per file.
    context.config()?;
    let files = match args.files.as_slice() {
        [] => files_below(context)?,
        named => named.to_vec(),
    };
    let is_named = !args.files.is_empty() && !args.pre_commit;
    let checker = Checker::new();
    let mut report = Report::default();
    let mut failed = None;
    parallel::for_each_in_order(
        files,
        Waits::ForNothing,
        |file| {
            let findings = check_file(context, &checker, &file, is_named);
            (file, findings)
        },
        |(file, findings)| match findings {
            Ok(Some(findings)) => report.add(&file, findings),
            Ok(None) => {}
            Err(failure) => {
                failure.print(context.ui);
                failed.get_or_insert(failure.code);
            }
        },
    );
    ui::print(&if args.json {
        report.json()
    } else {
        report.text()
    })?;
    if !args.json || context.ui.is_verbose() {
        context.ui.note(&report.summary());
    }
    match failed {
        Some(code) => Err(Failure::reported(code)),
        None if report.findings.is_empty() => Ok(()),
        None => Err(Failure::reported(Code::Generic)),
    }
}

/// Returns what is wrong with a file; `None` if nobody says that it should be encrypted, and it is not.
fn check_file(
    context: &Context,
    checker: &Checker,
    file: &Path,
    is_named: bool,
) -> Result<Option<Vec<Finding>>, Failure> {
    let rule = context.rule(file)?.ok();
    let covers = |rule: &&CreationRule| is_named || names_file(rule, file);
    let is_covered = rule.as_ref().is_some_and(covers);
    let content = files::read(file)?;
    if !is_covered && !looks_encrypted(content.expose()) {
        return Ok(None);
    }
    let expected = rule.map(expected);
    let format = Format::from_path(file);
    Ok(Some(checker.check(
        content.expose(),
        format,
        expected.as_ref(),
    )))
}

fn expected(rule: &CreationRule) -> Expected {
    let mut expected = Expected::new(rule.selector.clone().unwrap_or_default(), rule.groups());
    expected.mac_only_encrypted = rule.mac_only_encrypted;
    expected.shamir_threshold = rule.shamir_threshold;
    expected
}

/// Whether a rule says of a file that it has to be encrypted.
pub(super) fn is_covered(context: &Context, file: &Path) -> Result<bool, Failure> {
    Ok(context.rule(file)?.is_ok_and(|rule| names_file(rule, file)))
}

/// Whether a rule that was chosen for a file means it. A rule without `path_regex` is chosen for everything; what it
/// means are the files that hold values under keys, but not the settings of tools, which start with a dot.
fn names_file(rule: &CreationRule, file: &Path) -> bool {
    let is_hidden = |part: Component<'_>| match part {
        Component::Normal(name) => name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    };
    let is_dotenv = Format::from_path(file) == Format::Dotenv;
    !rule.path_regex.is_empty()
        || Format::from_path(file) != Format::Binary
            && (is_dotenv || !file.components().any(is_hidden))
}

/// Whether there is anything in a file that an encrypted one has. A quick look, since most files have not.
pub(super) fn looks_encrypted(content: &[u8]) -> bool {
    contains(content, b"ENC[AES256_GCM,")
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    let mut rest = content;
    while let Some(at) = rest.iter().position(|byte| *byte == wanted[0]) {
        rest = &rest[at..];
        if rest.starts_with(wanted) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// The files below the working folder that git would see, in the order of their names.
fn files_below(context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let walk = WalkBuilder::new(".")
        .hidden(false)
        .require_git(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let mut files = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| {
            Failure::new(
                Code::Input,
                format!("cannot look through the folder: {error}"),
            )
        })?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && entry.file_name() != ".sops.yaml" {
            let path = entry.into_path();
            files.push(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
        }
    }
    context
        .ui
        .detail(&format!("looking at {} files", files.len()));
    Ok(files)
}

#[derive(Default)]
struct Report {
    checked: usize,
    findings: Vec<(String, Finding)>,
}

impl Report {
    fn add(&mut self, file: &Path, findings: Vec<Finding>) {
        self.checked += 1;
        let file = name_of(Some(file));
        self.findings
            .extend(findings.into_iter().map(|finding| (file.clone(), finding)));
    }

    /// One line per finding, as compilers write them.
    fn text(&self) -> String {
        let mut text = String::new();
        for (file, finding) in &self.findings {
            let _ = write!(text, "{}:{}: ", printable::line(file), finding.position);
            if let Some(path) = finding.path.as_deref().filter(|path| !path.is_empty()) {
                let _ = write!(text, "{}: ", printable::line(path));
            }
            let _ = writeln!(text, "{}", printable::line(&finding.message));
            if let Some(hint) = &finding.hint {
                let _ = writeln!(text, "  hint: {}", printable::line(hint));
            }
        }
        text
    }

    fn json(&self) -> String {
        let objects: Vec<String> = self
            .findings
            .iter()
            .map(|(file, finding)| object(file, finding))
            .collect();
        match objects.as_slice() {
            [] => "[]\n".to_owned(),
            objects => format!("[\n  {}\n]\n", objects.join(",\n  ")),
        }
    }

    fn summary(&self) -> String {
        let files = |count| match count {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        if self.checked == 0 {
            return "nothing to check: no file is encrypted, and no creation rule covers one"
                .to_owned();
        }
        match self.findings.len() {
            0 => format!("{} checked, nothing found", files(self.checked)),
            1 => format!("{} checked, 1 problem", files(self.checked)),
            found => format!("{} checked, {found} problems", files(self.checked)),
        }
    }
}

fn object(file: &str, finding: &Finding) -> String {
    format!(
        "{{\"file\": {}, \"line\": {}, \"column\": {}, \"kind\": {}, \"path\": {}, \"message\": {}, \"hint\": {}}}",
        quoted(file),
        finding.position.line,
        finding.position.column,
        quoted(finding.kind.name()),
        quoted_or_null(finding.path.as_deref()),
        quoted(&finding.message),
        quoted_or_null(finding.hint.as_deref()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_for_what_encrypted_files_have() {
        assert!(looks_encrypted(b"a: ENC[AES256_GCM,data:x"));
        assert!(looks_encrypted(b"EENENC[AES256_GCM,"));
        assert!(!looks_encrypted(b"a: ENC[AES256_GC"));
        assert!(!looks_encrypted(b""));
    }
}
