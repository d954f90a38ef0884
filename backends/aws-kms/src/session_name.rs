//! The name under which a role is assumed.

/// The most that STS takes.
const MAX_LENGTH: usize = 64;

/// `sops@HOST`, with the characters of the host that the reference keeps and STS takes. A hyphen is none of them: policies
/// that ask for the name of a session compare it.
pub(crate) fn session_name() -> String {
    from_host(&host())
}

fn from_host(host: &str) -> String {
    let kept = host.chars().filter(|letter| {
        letter.is_ascii_alphanumeric() || matches!(letter, '=' | ',' | '.' | '@' | '_')
    });
    "sops@".chars().chain(kept).take(MAX_LENGTH).collect()
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(from_host("host.example"), "sops@host.example");
        assert_eq!(from_host("my-host_1 ä[\\]^"), "sops@myhost_1");
        assert_eq!(from_host(&"a".repeat(100)).len(), MAX_LENGTH);
        assert_eq!(from_host(""), "sops@");
        assert!(session_name().starts_with("sops@"));
    }
}
