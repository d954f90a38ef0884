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
#[cfg(unix)]
mod audit;
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
#[cfg(unix)]
mod gnupg;
mod golden;
mod http_server;
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
#[cfg(unix)]
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
    feature = "azure-kv",
    feature = "gcp-kms",
    feature = "hc-vault",
    feature = "keyservice"
))]
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
mod vault;
#[cfg(feature = "hc-vault")]
mod waiting;
mod yaml;
mod yaml_facts;
