//! Where the service of a region is.

use sops_http::{Environment, Problem, Uri};

/// The one region that is under another domain.
const EUROPE: &str = "eu-west-101";

/// Returns the address of KMS in a region: that of HuaweiCloud, or what `HUAWEICLOUD_SDK_REGION_KMS_…` says.
///
/// # Errors
///
/// Fails if the region has no name of a region, or the variable is no address.
pub(crate) fn kms(region: &str, environment: &Environment) -> Result<Uri, Problem> {
    check(region)?;
    let name = format!(
        "HUAWEICLOUD_SDK_REGION_KMS_{}",
        region.to_ascii_uppercase().replace('-', "_")
    );
    match environment.get(&name) {
        // Several are for when the first cannot be reached.
        Some(list) => parse(&name, list.split(',').next().unwrap_or_default().trim()),
        None => parse(
            "the region",
            &format!("https://kms.{region}.{}", domain(region)),
        ),
    }
}

/// Returns the address of IAM: what the environment or the credentials say, or that of HuaweiCloud.
///
/// # Errors
///
/// Fails if what they say is no address.
pub(crate) fn iam(
    region: &str,
    of_credentials: Option<&str>,
    environment: &Environment,
) -> Result<Uri, Problem> {
    const NAME: &str = "HUAWEICLOUD_SDK_IAM_ENDPOINT";
    if let Some(address) = of_credentials {
        return parse("iam_endpoint", address);
    }
    if let Some(address) = environment.get(NAME) {
        return parse(NAME, &address);
    }
    let of_region = if region == EUROPE { "eu-west-101." } else { "" };
    parse(
        "the region",
        &format!("https://iam.{of_region}{}", domain(region)),
    )
}

fn domain(region: &str) -> &'static str {
    match region {
        EUROPE => "myhuaweicloud.eu",
        _ => "myhuaweicloud.com",
    }
}

/// The region comes from files of others, and must not lead to another host.
fn check(region: &str) -> Result<(), Problem> {
    let is_name = region.len() <= 40
        && !region.starts_with('-')
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name && !region.is_empty() {
        return Ok(());
    }
    Err(
        Problem::setting(format!("{region:?} is no region of HuaweiCloud")).with_hint(
            "a key is written as REGION:ID, such as tr-west-1:123e4567-e89b-12d3-a456-426614174000",
        ),
    )
}

fn parse(named_by: &str, address: &str) -> Result<Uri, Problem> {
    let uri: Option<Uri> = address.trim_end_matches('/').parse().ok();
    let is_usable = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none()
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
    };
    uri.filter(is_usable).ok_or_else(|| {
        Problem::setting(format!(
            "{named_by}: {address:?} is no address of a service"
        ))
        .with_hint("an address is like https://kms.tr-west-1.myhuaweicloud.com")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_lead_to_huawei_only() {
        let nothing = Environment::new(|_| None, None);
        let host =
            |region| kms(region, &nothing).map(|uri| uri.host().unwrap_or_default().to_owned());
        assert_eq!(
            host("xx-test-9"),
            Ok("kms.xx-test-9.myhuaweicloud.com".to_owned())
        );
        assert_eq!(
            host(EUROPE),
            Ok("kms.eu-west-101.myhuaweicloud.eu".to_owned())
        );
        for bad in [
            "",
            "-a",
            "A",
            "a.b",
            "evil.example/",
            "evil.example#",
            "a@b",
            "a b",
            "ä",
        ] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
        let europe = iam(EUROPE, None, &nothing).expect("an address");
        assert_eq!(europe.host(), Some("iam.eu-west-101.myhuaweicloud.eu"));
        for bad in [
            "",
            "iam.example",
            "ftp://x",
            "https://x/y",
            "https://a:b@x",
            "https://x?y",
        ] {
            assert!(iam("cn-north-4", Some(bad), &nothing).is_err(), "{bad:?}");
        }
    }
}
