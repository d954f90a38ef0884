//! `sops recipients`.

use std::path::{Path, PathBuf};

use sops_core::metadata::{MasterKey, brief};

use crate::{
    cli::TypeArgs,
    context::{Context, Target},
    error::{Code, Failure},
    files,
    json::{self, Object},
    master_keys, ui,
};

/// Show who can read files, and why
///
/// Lists the keys of each file by group, the rule of `.sops.yaml` they come from, keys that the rule does not name, and
/// keys that it names but the file does not have. Long keys are shown by how they begin and end, and whole with --json.
/// Needs no key.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The files
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print a line of JSON for each file
    #[arg(long)]
    json: bool,

    /// The format of the files: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    input_type: Option<String>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.files.is_empty() {
        return Err(Failure::new(Code::NoFile, "no file specified"));
    }
    let mut first_failure = None;
    for file in &args.files {
        match Readers::find(args, context, file) {
            Ok(readers) if args.json => ui::print(&readers.to_json())?,
            Ok(readers) => ui::print(&readers.to_text())?,
            Err(failure) => {
                failure.print(context.ui);
                first_failure.get_or_insert(failure.code);
            }
        }
    }
    first_failure.map_or(Ok(()), |code| Err(Failure::reported(code)))
}

/// Who can read a file.
struct Readers {
    file: String,
    threshold: Option<usize>,
    groups: Vec<Vec<Reader>>,
    /// `FILE:LINE:COLUMN`.
    rule: Option<String>,
    /// Keys of the rule that the file does not have.
    missing: Vec<MasterKey>,
}

struct Reader {
    key: MasterKey,
    /// Whether the rule names the key; nobody knows, if there is no rule.
    in_rule: Option<bool>,
}

impl Readers {
    fn find(args: &Args, context: &Context, file: &Path) -> Result<Self, Failure> {
        let types = TypeArgs::of_input(args.input_type.clone());
        let target = context.target(Some(file), &types)?;
        let content = files::read(file)?;
        let encrypted = target.parse(content.expose())?;
        let (rule, of_rule) = rule_of(context, &target)?;
        let of_file = master_keys::of_entries(&encrypted.metadata().groups);
        // A KMS key may stand with another context or profile: it is the same key to whoever reads this.
        let holds = |keys: &[MasterKey], key: &MasterKey| {
            keys.iter()
                .any(|known| known.kind() == key.kind() && known.to_string() == key.to_string())
        };
        let all: Vec<MasterKey> = of_file.iter().flatten().cloned().collect();
        let mut missing: Vec<MasterKey> = Vec::new();
        for key in &of_rule {
            if !holds(&all, key) && !holds(&missing, key) {
                missing.push(key.clone());
            }
        }
        let groups = of_file
            .into_iter()
            .map(|group| {
                group
                    .into_iter()
                    .map(|key| Reader {
                        in_rule: rule.as_ref().map(|_| holds(&of_rule, &key)),
                        key,
                    })
                    .collect()
            })
            .collect();
        Ok(Self {
            file: target.name,
            threshold: encrypted.metadata().shamir_threshold,
            groups,
            rule,
            missing,
        })
    }

    fn to_text(&self) -> String {
        let mut text = match &self.rule {
            Some(rule) => format!("{}  (rule: {rule})\n", self.file),
            None => format!("{}  (no rule)\n", self.file),
        };
        let count = self.groups.len();
        if count > 1 {
            let needed = self.threshold.filter(|&number| number > 0).unwrap_or(count);
            text += &format!("  one key each of {needed} of {count} groups is needed\n");
        }
        for (at, group) in self.groups.iter().enumerate() {
            if count > 1 {
                text += &format!("  group {at}\n");
            }
            for reader in group {
                let remark = match reader.in_rule {
                    Some(false) => "  (not in the rule)",
                    _ => "",
                };
                let key = reader.key.to_string();
                let kind = reader.key.kind();
                text += &format!("  {kind:8}  {}{remark}\n", brief(&key));
            }
        }
        for key in &self.missing {
            text += &format!(
                "  {:8}  {}  (only in the rule: cannot read the file)\n",
                key.kind(),
                brief(&key.to_string())
            );
        }
        text
    }

    fn to_json(&self) -> String {
        let key = |key: &MasterKey| {
            Object::new()
                .text("kind", key.kind())
                .text("key", &key.to_string())
        };
        let reader = |reader: &Reader| {
            key(&reader.key)
                .truth_or_null("in_rule", reader.in_rule)
                .finish()
        };
        let groups = self
            .groups
            .iter()
            .map(|group| json::list(group.iter().map(reader)));
        Object::new()
            .text("file", &self.file)
            .text_or_null("rule", self.rule.as_deref())
            .number_or_null("shamir_threshold", self.threshold)
            .list("groups", groups)
            .list(
                "only_in_rule",
                self.missing.iter().map(|missing| key(missing).finish()),
            )
            .line()
    }
}

/// Where the rule for a file stands, and the keys it names. No configuration, or no rule for the file, is none.
fn rule_of(
    context: &Context,
    target: &Target,
) -> Result<(Option<String>, Vec<MasterKey>), Failure> {
    let Some(config) = context.config()? else {
        return Ok((None, Vec::new()));
    };
    Ok(match context.rule(&target.path)? {
        Ok(rule) => (
            Some(format!("{}:{}", config.path().display(), rule.position)),
            rule.groups().into_iter().flatten().collect(),
        ),
        Err(_) => (None, Vec::new()),
    })
}
