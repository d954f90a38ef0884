//! `sops doctor`.

use std::{
    env,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use sops_core::{EncryptedFile, keys::IdentitySurvey, metadata::brief};

use crate::{
    cli::TypeArgs,
    context::Context,
    error::{Code, Doing, Failure},
    files,
    gnupg::GnuPg,
    json::Object,
    ui,
};

/// Show which keys, programs and settings sops finds, and what it can open with them
///
/// Tells where age identities are looked for and what is there, which gpg and which age plugins are installed, which
/// secret keys gpg has and whether its agent runs, which variables are set, and which .sops.yaml is used. Files are opened
/// as `sops decrypt` would open them, up to their data key, so this may ask for a passphrase. No secret is shown, and
/// nothing is changed. gpg is given ten seconds for its answers.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Encrypted files to try to open
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let configuration = match context.config() {
        Ok(Some(config)) => {
            let count = config.creation_rules().map_or(0, <[_]>::len);
            Ok(Some((config.path().display().to_string(), count)))
        }
        Ok(None) => Ok(None),
        Err(failure) => Err(failure.message),
    };
    let gnupg = GnuPg::from_env();
    let report = Report {
        survey: IdentitySurvey::from_env(),
        programs: programs(&gnupg),
        gnupg,
        variables: variables(),
        configuration,
        files: args
            .files
            .iter()
            .map(|file| (file.display().to_string(), open(context, file)))
            .collect(),
    };
    ui::print(&match args.json {
        true => report.to_json(),
        false => report.to_text(),
    })?;
    let failed = report
        .files
        .iter()
        .find_map(|(_, opened)| opened.as_ref().err());
    failed.map_or(Ok(()), |failure| Err(Failure::reported(failure.code)))
}

/// What was found.
struct Report {
    survey: IdentitySurvey,
    gnupg: GnuPg,
    /// Programs that keys may need, and where they are or what they call themselves.
    programs: Vec<(String, String)>,
    /// The variables that are set and mean something to sops, without their values.
    variables: Vec<String>,
    /// The path, and the number of rules; or why it cannot be read.
    configuration: Result<Option<(String, usize)>, String>,
    files: Vec<(String, Result<(), Failure>)>,
}

impl Report {
    fn to_text(&self) -> String {
        let mut text = String::from("age identities\n");
        let mut line = |line: &str| {
            // A message of several lines stays below its heading.
            let _ = writeln!(text, "  {}", line.replace('\n', "\n  "));
        };
        self.survey.places.iter().for_each(|place| line(place));
        for recipient in &self.survey.recipients {
            line(&format!("recipient: {}", brief(recipient)));
        }
        for plugin in &self.survey.plugins {
            line(&format!("plugin: {plugin}"));
        }
        for problem in &self.survey.problems {
            line(&format!("problem: {problem}"));
        }
        for warning in &self.survey.warnings {
            line(&format!("warning: {warning}"));
        }
        text.push_str("programs\n");
        for (name, what) in &self.programs {
            let _ = writeln!(text, "  {name}: {what}");
        }
        if let Some(home) = &self.gnupg.home {
            let agent = match self.gnupg.has_agent {
                true => "an agent that runs",
                false => "no agent yet",
            };
            let _ = writeln!(text, "keyring of gpg: {}, with {agent}", home.display());
            for fingerprint in &self.gnupg.secret_keys {
                let _ = writeln!(text, "  secret key: {fingerprint}");
            }
        }
        for problem in &self.gnupg.problems {
            let _ = writeln!(text, "  problem: {problem}");
        }
        let variables = match self.variables.is_empty() {
            true => "none".to_owned(),
            false => self.variables.join(", "),
        };
        let _ = writeln!(text, "variables that are set: {variables}");
        let configuration = match &self.configuration {
            Ok(Some((path, 1))) => format!("{path}, 1 creation rule"),
            Ok(Some((path, count))) => format!("{path}, {count} creation rules"),
            Ok(None) => "none".to_owned(),
            Err(problem) => format!("cannot be used: {problem}"),
        };
        let _ = writeln!(text, "configuration: {configuration}");
        for (file, opened) in &self.files {
            let _ = match opened {
                Ok(()) => writeln!(text, "{file}: can be opened"),
                Err(failure) => writeln!(text, "{file}: {}", failure.message),
            };
        }
        text
    }

    fn to_json(&self) -> String {
        let survey = &self.survey;
        let gnupg = &self.gnupg;
        let home = gnupg.home.as_ref().map(|home| home.display().to_string());
        let age = Object::new()
            .texts("places", &survey.places)
            .texts("recipients", &survey.recipients)
            .texts("plugins", &survey.plugins)
            .texts("problems", survey.problems.iter().map(ToString::to_string))
            .texts("warnings", survey.warnings.iter().map(ToString::to_string));
        let pgp = Object::new()
            .text_or_null("home", home.as_deref())
            .truth("agent", gnupg.has_agent)
            .texts("secret_keys", &gnupg.secret_keys)
            .texts("problems", &gnupg.problems);
        let programs = self.programs.iter();
        let programs = programs.fold(Object::new(), |all, (name, what)| all.text(name, what));
        let files = self.files.iter().map(|(file, opened)| {
            let problem = opened.as_ref().err();
            Object::new()
                .text("file", file)
                .truth("opens", opened.is_ok())
                .text_or_null("problem", problem.map(|failure| failure.message.as_str()))
                .finish()
        });
        let report = Object::new()
            .object("age", age)
            .object("pgp", pgp)
            .object("programs", programs)
            .texts("variables", &self.variables);
        let report = match &self.configuration {
            Ok(Some((path, count))) => {
                let found = Object::new().text("path", path);
                report.object("configuration", found.number("creation_rules", *count))
            }
            Ok(None) => report.null("configuration"),
            Err(problem) => report.object("configuration", Object::new().text("problem", problem)),
        };
        report.list("files", files).line()
    }
}

/// Recovers the data key of a file.
fn open(context: &Context, file: &Path) -> Result<(), Failure> {
    let target = context.target(Some(file), &TypeArgs::default())?;
    let content = files::read(file)?;
    let encrypted = EncryptedFile::parse(content.expose(), target.format)
        .map_err(target.failed(Doing::Decrypting))?;
    let keyring = context.keyring(Doing::Decrypting)?;
    let unlocked = keyring.unwrap(encrypted.metadata());
    unlocked
        .map(drop)
        .map_err(|error| Failure::new(Code::NoDataKey, error.to_string()))
}

/// gpg, and the plugins of age on the path.
fn programs(gnupg: &GnuPg) -> Vec<(String, String)> {
    let mut programs = vec![(gnupg.program.clone(), gnupg.version.clone())];
    let path = env::var_os("PATH").unwrap_or_default();
    for folder in env::split_paths(&path).filter(|folder| folder.is_absolute()) {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let mut plugins: Vec<(String, String)> = entries
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, entry.path().display().to_string())
            })
            .filter(|(name, _)| name.starts_with("age-plugin-"))
            .collect();
        plugins.sort();
        for (name, place) in plugins {
            // Of several with one name, the first on the path is run.
            if !programs.iter().any(|(known, _)| *known == name) {
                programs.push((name, place));
            }
        }
    }
    programs
}

fn variables() -> Vec<String> {
    let others = [
        "GNUPGHOME",
        "GPG_TTY",
        "PINENTRY_PROGRAM",
        "XDG_CONFIG_HOME",
    ];
    let mut names: Vec<String> = env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("SOPS_") || others.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}
