//! What a service says, made fit to be shown.

use sops_core::keys::one_line;

/// More than this of what a service says helps nobody.
const MOST: usize = 300;

/// Returns what a service said in one line of bounded length that is fit for a terminal, without any of `secrets`.
#[must_use]
pub fn tidy(said: &str, secrets: &[&str]) -> String {
    let mut said = said.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        said = said.replace(secret, "[REDACTED]");
    }
    one_line(&said, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_without_secrets_and_not_for_ever() {
        assert_eq!(
            tidy(
                "1 error occurred:\n\t* permission\u{1b}[31m denied\n\n",
                &[]
            ),
            "1 error occurred: * permission [31m denied"
        );
        assert_eq!(
            tidy("token hvs.abc is bad", &["", "hvs.abc"]),
            "token [REDACTED] is bad"
        );
        assert_eq!(tidy(" \n", &[]), "");
        let long = tidy(&"ü".repeat(1000), &[]);
        assert_eq!(long.chars().count(), MOST + 1);
        assert!(long.ends_with('…'));
        // A secret on the border is gone before anything is cut.
        let text = format!("{}SECRETSECRET", "a".repeat(MOST - 3));
        assert!(!tidy(&text, &["SECRETSECRET"]).contains("SEC"));
    }
}
