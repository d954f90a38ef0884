//! `sops check`.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;
use sops_core::{
    Format,
    check::{Checker, Expected, Finding},
    config::CreationRule,
};

use super::{
    covered::{looks_encrypted, names_file},
    transform::name_of,
};
use crate::{
    context::Context,
    error::{Code, Failure},
    files,
    json::Object,
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
    let expected = rule.map(Expected::of_rule);
    let format = Format::from_path(file);
    Ok(Some(checker.check(
        content.expose(),
        format,
        expected.as_ref(),
    )))
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
            let _ = write!(text, "{file}:{}: ", finding.position);
            if let Some(path) = finding.path.as_deref().filter(|path| !path.is_empty()) {
                let _ = write!(text, "{path}: ");
            }
            let _ = writeln!(text, "{}", finding.message);
            if let Some(hint) = &finding.hint {
                let _ = writeln!(text, "  hint: {hint}");
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
