//! `sops check`.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use sops_core::{
    Format,
    check::{Checker, Expected, Finding},
    config::CreationRule,
    printable,
};

use super::{
    covered::{holds_variables, looks_encrypted, means_file},
    transform::name_of,
};
use crate::{
    context::Context,
    error::{Code, Failure},
    file_list, files,
    json::Object,
    parallel::{self, Waits},
    ui,
};

/// Check that files are encrypted as the creation rules say; needs no key
///
/// Reports files that should be encrypted and are not, values in the clear that should not be, recipients that differ
/// from the rule, damaged values and metadata, merge-conflict markers. Of a folder, it checks every file that a creation
/// rule covers and every file that is encrypted, as far as git tracks it or would add it. Exits with 1 if anything is
/// found.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Files and folders; the working folder if none is given
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
    let mut failed = None;
    let candidates = candidates(args, context, &mut failed);
    let checker = Checker::new();
    let mut report = Report::default();
    parallel::for_each_in_order(
        candidates,
        Waits::ForNothing,
        |candidate| {
            let findings = check_file(context, &checker, &candidate);
            (candidate.file, findings)
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
    // That there is nothing to check is no news of files that could not be read.
    let has_news = failed.is_none() || report.checked > 0;
    if has_news && (!args.json || context.ui.is_verbose()) {
        context.ui.note(&report.summary());
    }
    match failed {
        Some(code) => Err(Failure::reported(code)),
        None if report.findings.is_empty() => Ok(()),
        None => Err(Failure::reported(Code::Generic)),
    }
}

/// A file that may have to be checked.
struct Candidate {
    file: PathBuf,
    /// The path below the folder that was named, or below the working folder; `None` if the file itself was named, and has
    /// to be checked.
    found_at: Option<PathBuf>,
}

/// The files that were named, and those in folders that were. Prints what cannot be read.
fn candidates(args: &Args, context: &Context, failed: &mut Option<Code>) -> Vec<Candidate> {
    let working_folder = [PathBuf::from(".")];
    let named = match args.files.as_slice() {
        [] => &working_folder,
        named => named,
    };
    let mut candidates = Vec::new();
    for file in named {
        if !file.is_dir() {
            candidates.push(Candidate {
                found_at: args.pre_commit.then(|| file.clone()),
                file: file.clone(),
            });
            continue;
        }
        match file_list::below(file, context.ui) {
            Ok(files) => candidates.extend(files.into_iter().map(|found| Candidate {
                found_at: Some(found.strip_prefix(file).unwrap_or(&found).to_owned()),
                file: found,
            })),
            Err(failure) => {
                failure.print(context.ui);
                failed.get_or_insert(failure.code);
            }
        }
    }
    candidates.retain(|candidate| {
        candidate.found_at.is_none() || candidate.file.file_name() != Some(".sops.yaml".as_ref())
    });
    context
        .ui
        .detail(&format!("looking at {} files", candidates.len()));
    candidates
}

/// Returns what is wrong with a file; `None` if nobody says that it should be encrypted, and it is not.
fn check_file(
    context: &Context,
    checker: &Checker,
    candidate: &Candidate,
) -> Result<Option<Vec<Finding>>, Failure> {
    let file = candidate.file.as_path();
    let rule = context.rule(file)?.ok();
    let covers = |rule: &&CreationRule| match &candidate.found_at {
        Some(path) => means_file(rule, path),
        None => true,
    };
    let is_covered = rule.as_ref().is_some_and(covers);
    let content = files::read(file)?;
    if !is_covered && !looks_encrypted(content.expose()) {
        return Ok(None);
    }
    let expected = rule.map(Expected::of_rule);
    let format = match Format::from_path(file) {
        // As it is encrypted by `--input-type dotenv`.
        Format::Binary if holds_variables(file) && !starts_as_json(content.expose()) => {
            Format::Dotenv
        }
        format => format,
    };
    Ok(Some(checker.check(
        content.expose(),
        format,
        expected.as_ref(),
    )))
}

fn starts_as_json(content: &[u8]) -> bool {
    content.trim_ascii_start().starts_with(b"{")
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
    Object::with_blanks()
        .text("file", file)
        .number("line", finding.position.line)
        .number("column", finding.position.column)
        .text("kind", finding.kind.name())
        .text_or_null("path", finding.path.as_deref())
        .text("message", &finding.message)
        .text_or_null("hint", finding.hint.as_deref())
        .finish()
}
