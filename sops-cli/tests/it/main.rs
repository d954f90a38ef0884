//! Tests of the program `sops`, alone and side by side with the Go program of the same name ("the reference").
//!
//! What needs another program looks for it and says loudly when it is not there; with `SOPS_TEST_PEERS=required` that is
//! a failure. See CONTRIBUTING.md for where each one is looked for.

#[cfg(unix)]
mod age_keys;
#[cfg(unix)]
mod age_kinds;
#[cfg(unix)]
mod age_peers;
#[cfg(feature = "aws-kms")]
mod amazon;
#[cfg(unix)]
mod ansible;
#[cfg(all(unix, feature = "keyservice"))]
mod answering;
#[cfg(all(unix, feature = "audit"))]
mod audit;
#[cfg(feature = "aws-kms")]
mod aws;
mod binary;
#[cfg(unix)]
mod callers;
mod checking;
#[cfg(all(feature = "azure-kv", feature = "gcp-kms"))]
mod cloud;
mod commands;
mod comments;
mod compatibility;
mod conversions;
mod corpus;
#[cfg(target_os = "linux")]
mod crashes;
mod documents;
#[cfg(unix)]
mod editor;
mod entries;
#[cfg(unix)]
mod exec;
mod foreign;
#[cfg(all(unix, feature = "pgp"))]
#[cfg_attr(
    not(feature = "openpgp"),
    allow(
        dead_code,
        reason = "tests of both ways to use OpenPGP keys are the users of most of it"
    )
)]
mod gnupg;
mod golden;
#[cfg(all(
    unix,
    feature = "aws-kms",
    feature = "azure-kv",
    feature = "gcp-kms",
    feature = "hc-vault",
    feature = "huawei-kms"
))]
mod hostile;
#[cfg(any(feature = "hc-vault", feature = "huawei-kms"))]
mod http_server;
#[cfg(feature = "huawei-kms")]
mod huawei;
#[cfg(all(
    unix,
    feature = "aws-kms",
    feature = "azure-kv",
    feature = "gcp-kms",
    feature = "hc-vault",
    feature = "huawei-kms",
    feature = "keyservice"
))]
mod inside_tokio;
mod interop;
#[cfg(feature = "keyservice")]
mod keyservice;
#[cfg(all(
    unix,
    feature = "aws-kms",
    feature = "azure-kv",
    feature = "gcp-kms",
    feature = "hc-vault",
    feature = "huawei-kms"
))]
mod kinds;
mod line_changes;
mod lines;
mod messages;
#[cfg(all(unix, feature = "openpgp", feature = "pgp"))]
mod pgp;
#[cfg(unix)]
mod pinentry;
mod precommit;
#[cfg(all(feature = "aws-kms", feature = "gcp-kms", feature = "hc-vault"))]
mod publish;
mod readers;
mod readme;
mod recipients;
mod reference_faults;
mod reports;
#[cfg(unix)]
mod robustness;
mod rules;
#[cfg(any(
    feature = "aws-kms",
    all(feature = "azure-kv", feature = "gcp-kms"),
    feature = "hc-vault",
    all(unix, feature = "keyservice")
))]
#[cfg_attr(
    not(all(
        unix,
        feature = "aws-kms",
        feature = "azure-kv",
        feature = "gcp-kms",
        feature = "hc-vault",
        feature = "huawei-kms",
        feature = "keyservice"
    )),
    allow(
        dead_code,
        reason = "tests of what a build does not have would be the only users"
    )
)]
mod servers;
mod shrink;
mod support;
#[cfg(unix)]
mod surroundings;
#[cfg(all(
    feature = "aws-kms",
    feature = "azure-kv",
    feature = "gcp-kms",
    feature = "huawei-kms"
))]
mod unusable_keys;
mod values;
#[cfg(feature = "hc-vault")]
mod vault;
#[cfg(feature = "hc-vault")]
mod waiting;
mod yaml;
mod yaml_facts;
