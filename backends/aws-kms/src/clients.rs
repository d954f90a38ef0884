//! One client for each region, profile and role, and one pool of connections for all of them.

use std::{
    collections::HashMap,
    env,
    fs::File,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, retry::RetryConfig, sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_sdk_kms::config::{
    SharedHttpClient,
    interceptors::InterceptorContext,
    retry::{ClassifyRetry, RetryAction},
};
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use sops_core::{
    SecretBytes,
    keys::{KeyError, words_of},
    printable,
};
use sops_http::Problem;
use sops_runtime::run_within;

use crate::{
    bounded::{bounded, is_too_large},
    failure::Failure,
    session_name::session_name,
};

/// How often a call is attempted.
const ATTEMPTS: u32 = 4;

/// A bundle of certificates ends here.
const MAX_BUNDLE: usize = 4 << 20;

/// As whom a region is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) region: String,
    /// Empty: what the environment says.
    pub(crate) profile: String,
    pub(crate) role: Option<String>,
}

impl Identity {
    pub(crate) fn new(region: &str, profile: &str, role: Option<&str>) -> Self {
        Self {
            region: region.to_owned(),
            profile: profile.to_owned(),
            role: role.map(str::to_owned),
        }
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let base = match self.profile.as_str() {
            "" if set("AWS_ACCESS_KEY_ID") => "the credentials in AWS_ACCESS_KEY_ID".to_owned(),
            "" => match env::var("AWS_PROFILE") {
                Ok(profile) if !profile.is_empty() => format!("the AWS profile {profile}"),
                _ => "the default credentials".to_owned(),
            },
            profile => format!("the AWS profile {}", printable::line(profile)),
        };
        match &self.role {
            Some(role) => {
                format!("the role {}, assumed with {base}", printable::line(role))
            }
            None => base,
        }
    }
}

/// The clients that were needed so far.
#[derive(Default)]
pub(crate) struct Clients {
    http: OnceLock<Result<SharedHttpClient, Problem>>,
    known: Mutex<HashMap<Identity, aws_sdk_kms::Client>>,
}

impl Clients {
    /// The client for an identity. Making one reads files, but asks no server.
    pub(crate) fn client(
        &self,
        identity: &Identity,
        time_limit: Duration,
    ) -> Result<aws_sdk_kms::Client, KeyError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(identity) {
            return Ok(client.clone());
        }
        let http = self.http.get_or_init(http_client).clone()?;
        let wanted = identity.clone();
        let config = run_within(
            time_limit,
            async move { load(&wanted, http, time_limit).await },
        )
        .map_err(|error| {
            Failure::from_runtime(&error).to_key_error("encrypt or decrypt", "", identity)
        })?;
        let config = aws_sdk_kms::config::Builder::from(&config).retry_classifier(Repetitions);
        let client = aws_sdk_kms::Client::from_conf(config.build());
        known.insert(identity.clone(), client.clone());
        Ok(client)
    }
}

/// Has calls repeated that are too many, also if only the status says so, where the SDK looks for a name of the error; and
/// none that the same server would answer in the same way: too much, or with a certificate that is not trusted.
#[derive(Debug)]
struct Repetitions;

impl ClassifyRetry for Repetitions {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match (context.output_or_error(), context.response()) {
            (Some(Err(error)), _) if is_too_large(error) || is_untrusted(error) => {
                RetryAction::RetryForbidden
            }
            (_, Some(answer)) if answer.status().as_u16() == 429 => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "what sops repeats"
    }
}

/// Whether `error` is about the certificate of a server, of which TLS has no more than words here.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    words_of(error).contains("invalid peer certificate")
}

async fn load(identity: &Identity, http: SharedHttpClient, time_limit: Duration) -> SdkConfig {
    let region = Region::new(identity.region.clone());
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .http_client(http.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(time_limit.min(Duration::from_secs(10)))
                .operation_timeout(time_limit)
                .build(),
        );
    if !identity.profile.is_empty() {
        // A profile that a key names comes before credentials in the environment, as in the reference. The usual chain
        // would take those.
        let provider_config = ProviderConfig::default()
            .with_region(Some(region))
            .with_http_client(http);
        loader = loader.profile_name(&identity.profile).credentials_provider(
            ProfileFileCredentialsProvider::builder()
                .configure(&provider_config)
                .profile_name(&identity.profile)
                .build(),
        );
    }
    let config = loader.load().await;
    let Some(role) = &identity.role else {
        return config;
    };
    let provider = AssumeRoleProvider::builder(role)
        .session_name(session_name())
        .configure(&config)
        .build()
        .await;
    let provider = aws_sdk_kms::config::SharedCredentialsProvider::new(provider);
    config.into_builder().credentials_provider(provider).build()
}

/// The pool of connections, which trusts whom the system trusts, or `AWS_CA_BUNDLE` names, and uses the proxies that the
/// environment names.
pub(crate) fn http_client() -> Result<SharedHttpClient, Problem> {
    let trusted = match env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        None => TrustStore::default(),
        Some(path) => {
            let cannot = |what: &str| {
                let message = format!("cannot use AWS_CA_BUNDLE ({}): {what}", path.display());
                Problem::setting(message).with_hint(
                    "set it to the path of a file with certificates of authorities, in PEM",
                )
            };
            let pem = File::open(&path)
                .and_then(|file| SecretBytes::read_limited(file, MAX_BUNDLE))
                .map_err(|error| cannot(&error.to_string()))?
                .into_vec();
            if !pem.windows(11).any(|part| part == b"-----BEGIN ") {
                return Err(cannot("it has no certificate in PEM form"));
            }
            TrustStore::empty().with_pem_certificate(pem)
        }
    };
    let context = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| {
            Problem::setting(format!("cannot use the certificates for TLS: {error}"))
        })?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .build()
    });
    Ok(bounded(client))
}
