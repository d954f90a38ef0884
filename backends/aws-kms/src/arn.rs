//! The names of keys.

use sops_core::keys::KeyError;

/// The region in the ARN of a key or alias.
///
/// Becomes a part of the host that is called, and comes from whoever wrote the file: so nothing but letters, digits and
/// hyphens.
pub(crate) fn region(arn: &str) -> Result<&str, KeyError> {
    let invalid = || {
        KeyError::new("this is no ARN of a key or an alias of AWS KMS")
            .with_hint("write it as arn:aws:kms:REGION:ACCOUNT:key/ID or arn:aws:kms:REGION:ACCOUNT:alias/NAME")
    };
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next().ok_or_else(invalid);
    let (prefix, partition, service, region, account, resource) =
        (next()?, next()?, next()?, next()?, next()?, next()?);
    let is_word = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let is_valid = prefix == "arn"
        && partition.starts_with("aws")
        && is_word(partition)
        && service == "kms"
        && is_word(region)
        && !account.is_empty()
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && ["key/", "alias/"].iter().any(|kind| {
            resource
                .strip_prefix(kind)
                .is_some_and(|name| !name.is_empty())
        });
    if is_valid { Ok(region) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions() {
        for (arn, expected) in [
            ("arn:aws:kms:us-east-1:123456789012:key/612d", "us-east-1"),
            ("arn:aws:kms:eu-west-1:1:alias/a/b:c", "eu-west-1"),
            ("arn:aws-cn:kms:cn-north-1:1:key/mrk-1", "cn-north-1"),
            ("arn:aws-us-gov:kms:us-gov-west-1:1:key/1", "us-gov-west-1"),
        ] {
            assert_eq!(region(arn).expect(arn), expected);
        }
        for bad in [
            "",
            "key/1",
            "arn:aws:kms:us-east-1:1",
            "arn:aws:kms:us-east-1:1:key/",
            "arn:aws:kms:us-east-1:1:mrk/1",
            "arn:aws:kms:us-east-1:x:key/1",
            "arn:aws:kms:us-east-1::key/1",
            "arn:aws:kms::1:key/1",
            "arn:aws:kms:evil.example/:1:key/1",
            "arn:aws:kms:us_east:1:key/1",
            "arn:aws:s3:us-east-1:1:key/1",
            "arn:gcp:kms:us-east-1:1:key/1",
            " arn:aws:kms:us-east-1:1:key/1",
        ] {
            assert!(region(bad).is_err(), "{bad}");
        }
    }
}
