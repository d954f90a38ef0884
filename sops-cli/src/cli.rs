//! The commands and their flags, and which function each of them runs.

use std::{ffi::OsString, mem::discriminant, path::PathBuf};

use clap::{
    ArgAction, Args, FromArgMatches, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser as _},
    error::ContextKind,
};
use sops_core::{FORMAT_VERSION, Selector};

use crate::{
    commands::{
        check, completion, decrypt, edit, encrypt, exec_env, exec_file, filestatus, get, groups,
        man, publish, recipients, rotate, set, unset, updatekeys,
    },
    context::Context,
    definitions::Definitions,
    error::{Code, Failure},
    legacy::{self, Request},
    ui::{self, Loudness, Ui},
};

#[cfg(feature = "keyservice")]
use crate::commands::keyservice;
#[cfg(feature = "age")]
use crate::commands::{demo, doctor, init, keygen};

/// Encrypts the secrets in YAML, JSON, dotenv and INI files, and nothing else in them; any other file as a whole.
///
/// `sops FILE` opens an encrypted file in your editor. The files are those of SOPS: getsops/sops opens them, and this
/// program opens those of getsops/sops; `sops help compatibility` tells of other readers.
#[derive(Parser, Debug)]
#[command(
    name = "sops",
    args_override_self = true,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    disable_version_flag = true,
    after_help = AFTER_HELP,
)]
pub(crate) struct Program {
    #[command(flatten)]
    global: GlobalArgs,
}

/// The command to run. `definitions` has the same list, which a test compares with this one.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    Encrypt(encrypt::Args),
    Decrypt(decrypt::Args),
    Edit(edit::Args),
    Get(get::Args),
    Set(set::Args),
    Unset(unset::Args),
    Rotate(Box<rotate::Args>),
    Updatekeys(updatekeys::Args),
    Groups(Box<groups::Args>),
    Recipients(recipients::Args),
    #[command(name = "exec-env")]
    ExecEnv(exec_env::Args),
    #[command(name = "exec-file")]
    ExecFile(exec_file::Args),
    Filestatus(filestatus::Args),
    Check(check::Args),
    #[cfg(feature = "age")]
    Doctor(doctor::Args),
    #[cfg(feature = "age")]
    Init(init::Args),
    #[cfg(feature = "age")]
    Keygen(keygen::Args),
    #[cfg(feature = "age")]
    Demo(demo::Args),
    #[cfg(feature = "keyservice")]
    Keyservice(keyservice::Args),
    Publish(publish::Args),
    Completion(completion::Args),
    Man(man::Args),
}

const AFTER_HELP: &str = "\
The older forms work too: `sops -e FILE` encrypts, `sops -d FILE` decrypts, flags as above.

Start with `sops init`, or see `sops demo`.";

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalArgs {
    /// Use this configuration instead of looking for a `.sops.yaml` in the working folder and above
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SOPS_CONFIG",
        hide_env_values = true,
        // An empty path is none, and no error.
        value_parser = OsStringValueParser::new().map(PathBuf::from)
    )]
    pub(crate) config: Option<PathBuf>,

    /// Say more about what is done
    #[arg(long, global = true)]
    pub(crate) verbose: bool,

    /// Say nothing but what failed: no warnings, hints and summaries
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Kinds of keys in the order to try them, for example `age,pgp`
    #[arg(
        long,
        global = true,
        value_name = "KINDS",
        env = "SOPS_DECRYPTION_ORDER",
        hide_env_values = true
    )]
    pub(crate) decryption_order: Option<String>,

    /// Whether the keys of this machine are used
    #[arg(long, global = true, value_name = "BOOL", env = "SOPS_ENABLE_LOCAL_KEYSERVICE", hide_env_values = true,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = parse_bool)]
    pub(crate) enable_local_keyservice: Option<bool>,

    /// A remote key service to use as well; may be given several times
    #[arg(long, global = true, value_name = "URI", env = "SOPS_KEYSERVICE", hide_env_values = true,
        value_delimiter = ',', action = ArgAction::Append)]
    pub(crate) keyservice: Vec<String>,

    /// Put the MAC over encrypted values only
    #[arg(long, global = true)]
    pub(crate) mac_only_encrypted: bool,

    /// The number of blanks to indent a newly formatted file by
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true)]
    pub(crate) indent: Option<i64>,

    /// Accepted for compatibility: this program never asks the network for a newer version
    #[arg(long, global = true, hide = true)]
    pub(crate) disable_version_check: bool,

    /// Accepted for compatibility: this program never asks the network for a newer version
    #[arg(long, global = true, hide = true)]
    pub(crate) check_for_updates: bool,
}

/// Keys to encrypt for. Any of them, on the command line or in the environment, replaces those of the creation rule.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Keys")]
pub(crate) struct KeyArgs {
    /// age recipients, comma-separated
    #[arg(
        long,
        short,
        value_name = "LIST",
        env = "SOPS_AGE_RECIPIENTS",
        hide_env_values = true
    )]
    pub(crate) age: Option<String>,

    /// OpenPGP fingerprints, comma-separated
    #[arg(
        long,
        short,
        value_name = "LIST",
        env = "SOPS_PGP_FP",
        hide_env_values = true
    )]
    pub(crate) pgp: Option<String>,

    /// ARNs of AWS KMS, comma-separated
    #[arg(
        long,
        short,
        value_name = "LIST",
        env = "SOPS_KMS_ARN",
        hide_env_values = true
    )]
    pub(crate) kms: Option<String>,

    #[command(flatten)]
    pub(crate) kms_options: KmsArgs,

    /// Resource ids of GCP KMS, comma-separated
    #[arg(
        long,
        value_name = "LIST",
        env = "SOPS_GCP_KMS_IDS",
        hide_env_values = true
    )]
    pub(crate) gcp_kms: Option<String>,

    /// Key ids of HuaweiCloud KMS, comma-separated
    #[arg(
        long,
        value_name = "LIST",
        env = "SOPS_HUAWEICLOUD_KMS_IDS",
        hide_env_values = true
    )]
    pub(crate) hckms: Option<String>,

    /// URLs of Azure Key Vault keys, comma-separated
    #[arg(
        long,
        value_name = "LIST",
        env = "SOPS_AZURE_KEYVAULT_URLS",
        hide_env_values = true
    )]
    pub(crate) azure_kv: Option<String>,

    /// URIs of keys in the transit engine of Vault, comma-separated
    #[arg(
        long,
        value_name = "LIST",
        env = "SOPS_VAULT_URIS",
        hide_env_values = true
    )]
    pub(crate) hc_vault_transit: Option<String>,

    /// How many key groups are needed to decrypt
    #[arg(long, value_name = "N")]
    pub(crate) shamir_secret_sharing_threshold: Option<usize>,
}

/// What belongs to all keys of AWS KMS that are given.
#[derive(Args, Debug, Default)]
pub(crate) struct KmsArgs {
    /// The AWS profile to use
    #[arg(long, value_name = "NAME")]
    pub(crate) aws_profile: Option<String>,

    /// Encryption context for AWS KMS: `key:value`, comma-separated
    #[arg(long, value_name = "LIST")]
    pub(crate) encryption_context: Option<String>,
}

/// What to encrypt; at most one of these, and none beside one in the creation rule.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "What to encrypt")]
pub(crate) struct SelectorArgs {
    /// Leave what is below keys with this suffix in clear
    #[arg(long, value_name = "SUFFIX")]
    unencrypted_suffix: Option<String>,

    /// Encrypt only what is below keys with this suffix
    #[arg(long, value_name = "SUFFIX")]
    encrypted_suffix: Option<String>,

    /// Leave what is below matching keys in clear
    #[arg(long, value_name = "REGEX")]
    unencrypted_regex: Option<String>,

    /// Encrypt only what is below matching keys
    #[arg(long, value_name = "REGEX")]
    encrypted_regex: Option<String>,

    /// Leave what follows a matching comment in clear
    #[arg(long, value_name = "REGEX")]
    unencrypted_comment_regex: Option<String>,

    /// Encrypt only what follows a matching comment
    #[arg(long, value_name = "REGEX")]
    encrypted_comment_regex: Option<String>,
}

impl SelectorArgs {
    /// The one selector that is given here or by the rule.
    pub(crate) fn selector(&self, of_rule: Option<&Selector>) -> Result<Option<Selector>, Failure> {
        type Make = fn(String) -> Selector;
        let given = [
            (
                &self.unencrypted_suffix,
                Selector::UnencryptedSuffix as Make,
            ),
            (&self.encrypted_suffix, Selector::EncryptedSuffix),
            (&self.unencrypted_regex, Selector::UnencryptedRegex),
            (&self.encrypted_regex, Selector::EncryptedRegex),
            (
                &self.unencrypted_comment_regex,
                Selector::UnencryptedCommentRegex,
            ),
            (
                &self.encrypted_comment_regex,
                Selector::EncryptedCommentRegex,
            ),
        ];
        let given: Vec<Selector> = given
            .into_iter()
            .filter_map(|(text, make)| text.clone().filter(|text| !text.is_empty()).map(make))
            .collect();
        // The same selector with another text replaces that of the rule; a different one does not go with it.
        let of_rule = of_rule.filter(|of_rule| {
            let kind = discriminant::<Selector>(of_rule);
            !given.iter().any(|given| discriminant(given) == kind)
        });
        let mut all: Vec<Selector> = given.into_iter().chain(of_rule.cloned()).collect();
        if all.len() > 1 {
            return Err(Failure::new(
                Code::Conflict,
                "cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, \
                 unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex in the same file",
            ));
        }
        Ok(all.pop())
    }
}

/// Which format a file has, when its name does not tell.
#[derive(Args, Debug, Default)]
pub(crate) struct TypeArgs {
    /// The format of the input: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    pub(crate) input_type: Option<String>,

    /// The format of the output
    #[arg(long, value_name = "FORMAT")]
    pub(crate) output_type: Option<String>,

    /// Use this name instead of the file's for finding the creation rule and the format
    #[arg(long, value_name = "NAME")]
    pub(crate) filename_override: Option<PathBuf>,
}

impl TypeArgs {
    /// The format of the input, if it is given, and nothing else.
    pub(crate) fn of_input(input_type: Option<String>) -> Self {
        Self {
            input_type,
            ..Self::default()
        }
    }
}

/// Runs the program with `arguments`, without its name.
///
/// # Errors
///
/// The failure to report, unless it was reported already, file by file.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<(), Failure> {
    if arguments.is_empty() {
        return Err(Failure::new(Code::NoFile, "no file specified")
            .hint("`sops --help` lists the commands; `sops init` sets up a folder; `sops demo` shows what it does"));
    }
    if let Some((last, words)) = arguments.split_last()
        && last == completion::CANDIDATES_FLAG
    {
        let words: Vec<String> = words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let describing =
            std::env::var_os("_CLI_ZSH_AUTOCOMPLETE_HACK").is_some_and(|value| value == "1");
        return completion::print_candidates(&words, describing);
    }
    let definitions = Definitions::new();
    let exists = |name: &std::ffi::OsStr| std::path::Path::new(name).exists();
    let (verb, arguments, warnings) = match legacy::rewrite(&definitions, arguments, exists)? {
        Request::Version => return print_version(),
        Request::Topic(topic) => return ui::print(topic.text),
        Request::Run {
            verb,
            arguments,
            warnings,
        } => (verb, arguments, warnings),
    };
    let mut command = match verb {
        Some(verb) => definitions.with_verb(&verb),
        None => definitions.with_verbs(),
    };
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return ui::print(&error.render().to_string()),
        Err(error) => return Err(usage(&error)),
    };
    let program = Program::from_arg_matches(&matches).map_err(|error| usage(&error))?;
    let verb = Verb::from_arg_matches(&matches).map_err(|error| usage(&error))?;

    let ui = Ui::new(Loudness::of(program.global.verbose, program.global.quiet));
    for warning in warnings {
        ui.warning(&warning);
    }
    let context = Context::new(program.global, ui);
    let result = match verb {
        Verb::Encrypt(args) => encrypt::run(&args, &context),
        Verb::Decrypt(args) => decrypt::run(&args, &context),
        Verb::Edit(args) => edit::run(&args, &context),
        Verb::Get(args) => get::run(&args, &context),
        Verb::Set(args) => set::run(&args, &context),
        Verb::Unset(args) => unset::run(&args, &context),
        Verb::Rotate(args) => rotate::run(&args, &context),
        Verb::Updatekeys(args) => updatekeys::run(&args, &context),
        Verb::Groups(args) => groups::run(&args, &context),
        Verb::Recipients(args) => recipients::run(&args, &context),
        Verb::ExecEnv(args) => exec_env::run(&args, &context),
        Verb::ExecFile(args) => exec_file::run(&args, &context),
        Verb::Filestatus(args) => filestatus::run(&args, &context),
        Verb::Check(args) => check::run(&args, &context),
        #[cfg(feature = "age")]
        Verb::Doctor(args) => doctor::run(&args, &context),
        #[cfg(feature = "age")]
        Verb::Init(args) => init::run(&args, &context),
        #[cfg(feature = "age")]
        Verb::Keygen(args) => keygen::run(&args, &context),
        #[cfg(feature = "age")]
        Verb::Demo(args) => demo::run(&args, &context),
        #[cfg(feature = "keyservice")]
        Verb::Keyservice(args) => keyservice::run(&args, &context),
        Verb::Publish(args) => publish::run(&args, &context),
        Verb::Completion(args) => completion::run(&args, &context),
        Verb::Man(args) => man::run(&args, &context),
    };
    context.warn_about_keys();
    // Here it is known whether hints are welcome.
    result.map_err(|failure| failure.printed(ui))
}

/// The definitions with the flags of the older form, for those who read them: `legacy` takes them apart itself.
pub(crate) fn with_older_form() -> clap::Command {
    let flag = |name: &'static str, short: char, help: &'static str| {
        clap::Arg::new(name)
            .long(name)
            .short(short)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Definitions::new()
        .with_verbs()
        .subcommand_required(false)
        .arg(flag("encrypt", 'e', "Encrypt the file: sops encrypt"))
        .arg(flag("decrypt", 'd', "Decrypt the file: sops decrypt"))
        .arg(flag(
            "rotate",
            'r',
            "Give the file a new data key: sops rotate",
        ))
        .arg(flag("in-place", 'i', "Replace the file by the result"))
        .arg(flag("version", 'v', "Print the version"))
        .arg(
            clap::Arg::new("file")
                .value_name("FILE")
                .value_hint(clap::ValueHint::FilePath)
                .help("The file to edit, or to do with what -e, -d or -r says"),
        )
}

/// The version of the reference whose behaviour and file format this is comes first: programs compare it.
fn print_version() -> Result<(), Failure> {
    let own = env!("CARGO_PKG_VERSION");
    ui::print(&format!("sops {FORMAT_VERSION} (sops-rs {own})\n"))
}

/// Clap's own message, without its label.
fn usage(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or(&text).trim_end();
    // A value that comes from the environment.
    let variable = "SOPS_ENABLE_LOCAL_KEYSERVICE";
    let is_about = |kind, wanted: &str| {
        let found = error.get(kind).map(ToString::to_string);
        found.is_some_and(|found| found.starts_with(wanted))
    };
    let value = std::env::var(variable).unwrap_or_default();
    if !value.is_empty()
        && is_about(ContextKind::InvalidArg, "--enable-local-keyservice")
        && is_about(ContextKind::InvalidValue, &value)
    {
        return Failure::new(
            Code::Generic,
            format!("{variable} is neither true nor false"),
        );
    }
    Failure::new(Code::Generic, text.strip_prefix("error: ").unwrap_or(text))
}

fn parse_bool(text: &str) -> Result<bool, String> {
    // The reference takes a variable that is set but empty for false.
    match text {
        "" => Ok(false),
        _ => legacy::parse_bool(text).ok_or_else(|| "neither true nor false".to_owned()),
    }
}
