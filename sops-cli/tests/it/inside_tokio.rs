//! Programs that use the backends as libraries, and run in a runtime of tokio themselves: nothing panics there.

use std::{collections::BTreeMap, thread, time::Duration};

use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
use sops_keyservice::{Address, Listener, Peers, RemoteKeys, Server, Stop};
use tokio::runtime::Builder;

use crate::{
    servers::{
        amazon, azure,
        clouds::{HUAWEI_KEY, huawei, transit},
        google,
        google_grpc::{Fault, GoogleGrpc},
        web::Web,
    },
    support::Scratch,
};

const LIMIT: Duration = Duration::from_secs(10);

/// Wraps everything as what it is.
struct Plain;

impl KeyService for Plain {
    fn wrap(&self, _: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let text = String::from_utf8(share.expose().to_vec());
        Some(text.map_err(|_| KeyError::new("no text")))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        Some(Ok(SecretBytes::new(entry.enc.clone().into_bytes())))
    }
}

/// Wraps and unwraps, and says whether that went well.
fn there_and_back(service: &dyn KeyService, key: &MasterKey) -> Result<(), String> {
    let share = SecretBytes::new(b"0123456789abcdef0123456789abcdef".to_vec());
    let wrapped = service.wrap(key, &share).expect("one of its keys");
    let wrapped = wrapped.map_err(|error| error.message)?;
    let entry = KeyEntry::new(key.clone(), wrapped, None);
    let unwrapped = service.unwrap(&entry).expect("one of its keys");
    let unwrapped = unwrapped.map_err(|error| error.message)?;
    assert_eq!(unwrapped.expose(), share.expose());
    Ok(())
}

type Case = (Box<dyn KeyService + Send + Sync>, MasterKey, bool);

#[test]
fn every_service() {
    let scratch = Scratch::new();
    let socket = Address::Unix(scratch.path("s"));
    let listener = Listener::bind(&socket, Peers::Users(Vec::new())).expect("a new socket");
    let stop = Stop::new();
    let serving = {
        let stop = stop.clone();
        thread::spawn(move || Server::new(Plain).serve(listener, &stop))
    };
    let [google, azure, vault] = [google::start(), azure::start(), Web::start(transit)];
    let huawei = Web::start(huawei);
    let by_grpc = GoogleGrpc::start(Fault::None);
    let text = str::to_owned;
    let cases = || -> Vec<Case> {
        let endpoint = google.url();
        let of_google = move |name: &str| match name {
            "SOPS_GCP_KMS_ENDPOINT" => Some(endpoint.clone()),
            "GOOGLE_OAUTH_ACCESS_TOKEN" => Some(google::TOKEN.to_owned()),
            "SOPS_GCP_KMS_CLIENT_TYPE" => Some("rest".to_owned()),
            _ => None,
        };
        let endpoint = format!("http://{}", by_grpc.address());
        let of_google_by_grpc = move |name: &str| match name {
            "SOPS_GCP_KMS_ENDPOINT" => Some(endpoint.clone()),
            "GOOGLE_OAUTH_ACCESS_TOKEN" => Some(google::TOKEN.to_owned()),
            _ => None,
        };
        let allowed = azure.tls_url();
        let of_azure = move |name: &str| match name {
            "SOPS_AZURE_KEYVAULT_ALLOWLIST" => Some(allowed.clone()),
            "AZURE_TOKEN_CREDENTIALS" => Some("WorkloadIdentityCredential".to_owned()),
            _ => None,
        };
        let endpoint = huawei.url();
        let of_huawei = move |name: &str| match name {
            "HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1" => Some(endpoint.clone()),
            "HUAWEICLOUD_SDK_IAM_ENDPOINT" => Some(endpoint.clone()),
            "HUAWEICLOUD_SDK_AK" => Some("AK".to_owned()),
            "HUAWEICLOUD_SDK_SK" => Some("SK".to_owned()),
            _ => None,
        };
        vec![
            (
                Box::new(RemoteKeys::new(&socket.to_string(), LIMIT)),
                MasterKey::Age {
                    recipient: text("age1x"),
                },
                true,
            ),
            (
                Box::new(
                    sops_gcp_kms::GcpKms::new(sops_gcp_kms::Environment::new(of_google, None))
                        .with_time_limit(LIMIT),
                ),
                MasterKey::GcpKms {
                    resource_id: text(google::KEY),
                },
                true,
            ),
            (
                Box::new(
                    sops_gcp_kms::GcpKms::new(sops_gcp_kms::Environment::new(
                        of_google_by_grpc,
                        None,
                    ))
                    .with_time_limit(LIMIT),
                ),
                MasterKey::GcpKms {
                    resource_id: text(google::KEY),
                },
                true,
            ),
            (
                Box::new(
                    sops_azure_kv::AzureKv::new(sops_azure_kv::Environment::new(of_azure, None))
                        .with_time_limit(LIMIT),
                ),
                MasterKey::AzureKv {
                    vault_url: azure.tls_url(),
                    name: text("sops"),
                    version: text("1"),
                },
                false,
            ),
            (
                Box::new(
                    sops_huawei_kms::HuaweiKms::new(sops_huawei_kms::Environment::new(
                        of_huawei, None,
                    ))
                    .with_time_limit(LIMIT),
                ),
                MasterKey::Hckms {
                    key_id: text(HUAWEI_KEY),
                },
                true,
            ),
            (
                // Fails before it asks anybody: there is no such profile.
                Box::new(sops_aws_kms::AwsKms::from_env().with_time_limit(LIMIT)),
                MasterKey::Kms {
                    arn: text(amazon::KEY),
                    role: None,
                    context: BTreeMap::new(),
                    aws_profile: text("a-profile-that-nobody-has"),
                },
                false,
            ),
            (
                // Nobody's token.
                Box::new(sops_hc_vault::HcVault::from_env().with_time_limit(LIMIT)),
                MasterKey::HcVault {
                    vault_address: vault.url(),
                    engine_path: text("transit"),
                    key_name: text("sops"),
                },
                false,
            ),
        ]
    };
    let check = |cases: Vec<Case>| {
        for (service, key, is_there) in cases {
            let outcome = there_and_back(service.as_ref(), &key);
            assert_eq!(outcome.is_ok(), is_there, "{key}: {outcome:?}");
        }
    };
    let alone = Builder::new_current_thread().enable_all().build();
    alone.expect("a runtime").block_on(async { check(cases()) });
    let many = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    many.expect("a runtime").block_on(async {
        check(cases());
        let cases = cases();
        // They may be dropped there, too.
        tokio::spawn(async move {
            for (service, key, is_there) in cases {
                assert_eq!(there_and_back(service.as_ref(), &key).is_ok(), is_there);
            }
        })
        .await
        .expect("no panic");
    });
    stop.stop();
    serving.join().expect("no panic").expect("it served");
}
