//! What went wrong, without anything that was sent.

use aws_sdk_kms::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use sops_core::keys::{KeyError, one_line, words_of};
use sops_runtime::RuntimeError;

use crate::{bounded::is_too_large, clients::Identity};

/// A call that failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// KMS or STS said no.
    Refused { code: String, message: String },
    /// Something said no, and not in the words of KMS.
    Status(u16),
    /// There is nobody to be.
    NoCredentials(String),
    /// There was no answer, or none that can be read.
    NoAnswer(String),
}

/// What an error of the SDK says. Its own text would hold the answer with its headers.
pub(crate) fn of<E>(error: SdkError<E, HttpResponse>) -> Failure
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match &error {
        SdkError::ServiceError(context) => {
            let error = context.err();
            match error.code() {
                Some(code) => Failure::Refused {
                    code: printable(code),
                    message: printable(error.message().unwrap_or_default()),
                },
                None => Failure::Status(context.raw().status().as_u16()),
            }
        }
        SdkError::TimeoutError(_) => Failure::NoAnswer("no answer in time".to_owned()),
        SdkError::ResponseError(_) if is_too_large(&error) => {
            Failure::NoAnswer("the answer is too large".to_owned())
        }
        SdkError::ResponseError(context) => Failure::NoAnswer(format!(
            "the answer (status {}) cannot be read",
            context.raw().status().as_u16()
        )),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) if error.is_timeout() => Failure::NoAnswer("no answer in time".to_owned()),
            Some(error) if !error.is_other() => Failure::NoAnswer(causes(error)),
            // What the providers of credentials say comes this way, too.
            Some(error) => by_cause(error),
            None => Failure::NoAnswer("the connection failed".to_owned()),
        },
        _ => by_cause(&error),
    }
}

fn by_cause(error: &(dyn std::error::Error + 'static)) -> Failure {
    // STS says why in an error of its own, somewhere below.
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<AssumeRoleError>()
            && let Some(code) = refused.code()
        {
            return Failure::Refused {
                code: printable(code),
                message: printable(refused.message().unwrap_or_default()),
            };
        }
        cause = error.source();
    }
    let text = causes(error);
    // Whoever gives out credentials may be out of reach, too.
    if ["io error", "timeout", "timed out"]
        .iter()
        .any(|word| text.contains(word))
    {
        return Failure::NoAnswer(text);
    }
    match ["credential", "identity", "profile", "token", "SSO"]
        .iter()
        .any(|word| text.contains(word))
    {
        true => Failure::NoCredentials(text),
        false => Failure::NoAnswer(text),
    }
}

/// What the error and its causes say, without `other`, which is what the SDK calls what it has no words for.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let words = words_of(error);
    let said: Vec<&str> = words.split(": ").filter(|said| *said != "other").collect();
    one_line(&said.join(": "), 600)
}

/// What a server says.
fn printable(text: &str) -> String {
    one_line(text, 400)
}

impl Failure {
    pub(crate) fn from_runtime(error: &RuntimeError) -> Self {
        Self::NoAnswer(error.to_string())
    }

    pub(crate) fn to_key_error(&self, operation: &str, arn: &str, identity: &Identity) -> KeyError {
        let who = identity.describe();
        match self {
            Self::Refused { code, message } => {
                let separator = if message.is_empty() { "" } else { ": " };
                let error = KeyError::new(format!(
                    "AWS refused to {operation} with {who}: {code}{separator}{message}"
                ));
                match hint(code, operation) {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                }
            }
            Self::Status(status) => KeyError::new(format!(
                "AWS in {} did not {operation} with {who}, and does not say why (status {status})",
                identity.region
            ))
            .with_hint(match status {
                429 | 500..=599 => "try again later",
                _ => "is it AWS that answers? HTTPS_PROXY and AWS_ENDPOINT_URL say who is asked",
            }),
            Self::NoCredentials(what) => KeyError::new(format!("there are no credentials for AWS ({who}): {what}"))
                .with_hint("`aws sts get-caller-identity` shows whether you are logged in; `aws sso login` or AWS_PROFILE may be missing"),
            Self::NoAnswer(what) => {
                let region = &identity.region;
                let key = if arn.is_empty() { "" } else { " for the key" };
                KeyError::new(format!("cannot reach AWS in {region}{key}: {what}"))
                    .with_hint("is the region in the ARN right, and AWS reachable from here? HTTPS_PROXY, AWS_CA_BUNDLE and AWS_ENDPOINT_URL say how; SOPS_KEY_TIMEOUT=SECONDS waits longer")
            }
        }
    }
}

fn hint(code: &str, operation: &str) -> Option<String> {
    let text = match code {
        "AccessDeniedException" | "AccessDenied" => {
            let action = if operation == "encrypt" {
                "kms:Encrypt"
            } else {
                "kms:Decrypt"
            };
            return Some(format!(
                "does a policy allow {action} on this key, with this encryption context? `aws sts get-caller-identity` shows who you are"
            ));
        }
        "NotFoundException" => "does the key exist in this account and region?",
        "DisabledException" | "KMSInvalidStateException" => {
            "the key is disabled or about to be deleted: its owner can enable it again"
        }
        "InvalidCiphertextException" => {
            "the data key was encrypted with another key or another encryption context, or the entry was changed"
        }
        "IncorrectKeyException" => {
            "the data key was encrypted with another key than the one the entry names"
        }
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => {
            "log in again, for example with `aws sso login`"
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => {
            "the credentials are not valid: `aws sts get-caller-identity` tells which are used"
        }
        "ThrottlingException" | "LimitExceededException" | "KMSInternalException" => {
            "try again later"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
