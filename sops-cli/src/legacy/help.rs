//! Asking for help.

use std::ffi::OsString;

use super::{Request, suggestion::closest};
use crate::{
    definitions::Definitions,
    error::{Code, Failure},
    topics::Topic,
};

/// Asks clap for the help: `-h` for a summary, `--help` for all of it.
pub(super) fn help(
    definitions: &Definitions,
    verb: Option<&OsString>,
    flag: &str,
) -> Result<Request, Failure> {
    let mut arguments = vec![OsString::from("sops")];
    if let Some(verb) = verb {
        let name = verb.to_string_lossy();
        if definitions.verb(&name).is_none() {
            if let Some(topic) = Topic::find(&name) {
                return Ok(Request::Topic(topic));
            }
            let names = Definitions::names();
            let failure = Failure::new(
                Code::Generic,
                format!("there is no command and no topic {name:?}"),
            );
            return Err(
                match closest(&name, names.chain(Topic::names().map(|name| name as &str))) {
                    Some(similar) => failure.hint(format!("did you mean `sops help {similar}`?")),
                    None => failure
                        .hint("`sops --help` lists the commands, `sops help topics` the topics"),
                },
            );
        }
        arguments.push(verb.clone());
    }
    arguments.push(if flag == "h" { "-h" } else { "--help" }.into());
    Ok(Request::Run {
        verb: verb.map(|verb| verb.to_string_lossy().into_owned()),
        arguments,
        warnings: Vec::new(),
    })
}
