//! New age identities.

use age::secrecy::ExposeSecret;

use crate::secret::SecretText;

/// Makes an age identity (X25519), and returns its text, `AGE-SECRET-KEY-1…`, and its recipient, `age1…`.
#[must_use]
pub fn generate_identity() -> (SecretText, String) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    (SecretText::new(identity.to_string().expose_secret().to_owned()), recipient)
}
