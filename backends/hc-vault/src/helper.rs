//! The token helper: a program that keeps the token somewhere safer than in a file.

use std::{
    env,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sops_core::SecretText;
use sops_http::Problem;

use crate::token::{self, Token};

/// Names the file that names the helper.
const CONFIG_PATH: &str = "VAULT_CONFIG_PATH";
/// The setting in it.
const SETTING: &str = "token_helper";
/// Larger files are something else.
const MAX_CONFIG: usize = 1 << 20;

/// Asks the helper that the configuration names, if it names one.
///
/// # Errors
///
/// Fails if the helper does, or if the file that `VAULT_CONFIG_PATH` names cannot be read.
pub(crate) fn token(home: Option<&Path>) -> Result<Option<Token>, Problem> {
    match configured(home)? {
        Some(helper) => ask(&helper),
        None => Ok(None),
    }
}

fn ask(helper: &Path) -> Result<Option<Token>, Problem> {
    let failed = |reason: String| {
        Problem::setting(format!("the token helper {} {reason}", helper.display()))
            .with_hint("set VAULT_TOKEN, or see whether the helper works: run it with `get`")
    };
    let cannot = |error: &io::Error| failed(format!("cannot be run: {error}"));
    // What it has to say besides, or to ask, is between it and its user.
    let mut child = Command::new(helper)
        .arg("get")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(&error))?;
    let text = child.stdout.take().map(token::read).transpose();
    let status = child.wait().map_err(|error| cannot(&error))?;
    if !status.success() {
        return Err(failed(format!("failed ({status})")));
    }
    let text = text.map_err(|error| failed(format!("printed no token: {error}")))?;
    let source = format!("the token helper {}", helper.display());
    Ok(text.flatten().map(|text| Token::new(text, source)))
}

/// The helper that `~/.vault` names, or the file that `VAULT_CONFIG_PATH` does.
fn configured(home: Option<&Path>) -> Result<Option<PathBuf>, Problem> {
    let named = env::var_os(CONFIG_PATH).filter(|path| !path.is_empty());
    let is_named = named.is_some();
    let path = match (named, home) {
        (Some(path), home) => expand(Path::new(&path), home),
        (None, Some(home)) => home.join(".vault"),
        (None, None) => return Ok(None),
    };
    let text = File::open(&path).and_then(|file| SecretText::read_limited(file, MAX_CONFIG));
    let text = match text {
        Ok(text) => text,
        // Other programs also call something `.vault`.
        Err(_) if !is_named => return Ok(None),
        Err(error) => {
            let message = format!("cannot read {CONFIG_PATH} ({}): {error}", path.display());
            return Err(Problem::setting(message));
        }
    };
    let helper = setting(text.expose(), SETTING).filter(|helper| !helper.is_empty());
    Ok(helper.map(|helper| {
        let helper = expand(Path::new(&helper), home);
        // Never looked for in the folders of PATH: whoever can write into one could read the token.
        std::path::absolute(&helper).unwrap_or(helper)
    }))
}

fn expand(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// Returns the text of a setting in a file in HCL, `name = "text"`, or JSON, `{"name": "text"}`.
fn setting(text: &str, name: &str) -> Option<String> {
    let words = words(text);
    words.windows(3).find_map(|words| {
        let [word, sign, value] = words else {
            return None;
        };
        let is_sign = !sign.is_quoted && matches!(sign.text.as_str(), "=" | ":");
        (word.text == name && is_sign && value.is_quoted).then(|| value.text.clone())
    })
}

struct Word {
    text: String,
    is_quoted: bool,
}

/// Names, signs and texts in quotes; comments are left out.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return words;
        };
        if first == '#' || rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if first == '"' {
            let (text, after) = quoted(&rest[1..]);
            words.push(Word {
                text,
                is_quoted: true,
            });
            rest = after;
        } else {
            let is_part =
                |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
            let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(first.len_utf8()));
            words.push(Word {
                text: word.to_owned(),
                is_quoted: false,
            });
            rest = after;
        }
    }
}

/// The text up to the closing quote, and what is after that.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_in_files_of_all_sorts() {
        let helper = |text| setting(text, SETTING);
        for text in [
            "token_helper = \"/opt/helper\"",
            "# token_helper = \"/no\"\n// token_helper = \"/no\"\n/* token_helper = \"/no\" */ token_helper=\"/opt/helper\"\n",
            "{\"token_helper\": \"/opt/helper\"}",
            "other = \"token_helper\"\ntoken_helper = \"\\/opt/helper\"",
        ] {
            assert_eq!(helper(text).as_deref(), Some("/opt/helper"), "{text}");
        }
        for text in [
            "",
            "a password of Ansible",
            "token_helper",
            "token_helper =",
            "token_helper = /opt/helper",
            "token_helper \"/opt/helper\"",
            "/* token_helper = \"/no\"",
            "\"token_helper = \\",
            "other = \"token_helper = /no\"",
            "ü=\"ü",
        ] {
            assert_eq!(helper(text), None, "{text}");
        }
    }

    #[test]
    fn the_home_folder() {
        let home = Some(Path::new("/home/me"));
        assert_eq!(expand(Path::new("~/h"), home), Path::new("/home/me/h"));
        assert_eq!(expand(Path::new("/h"), home), Path::new("/h"));
        assert_eq!(expand(Path::new("~/h"), None), Path::new("~/h"));
    }
}
