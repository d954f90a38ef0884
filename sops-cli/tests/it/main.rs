//! Tests of the program `sops`, alone and side by side with the Go program of the same name ("the reference").
//!
//! What needs another program looks for it and says loudly when it is not there; with `SOPS_TEST_PEERS=required` that is
//! a failure. See CONTRIBUTING.md for where each one is looked for.

#[cfg(unix)]
mod age_keys;
#[cfg(unix)]
mod audit;
mod binary;
#[cfg(unix)]
mod callers;
#[cfg(all(
    feature = "aws-kms",
    feature = "azure-kv",
    feature = "gcp-kms",
    feature = "hc-vault",
    feature = "huawei-kms"
))]
mod cloud;
#[cfg(feature = "hc-vault")]
mod cloud_faults;
mod commands;
mod comments;
mod compatibility;
mod conversions;
mod corpus;
mod documents;
#[cfg(unix)]
mod editor;
#[cfg(unix)]
mod exec;
mod foreign;
#[cfg(unix)]
mod gnupg;
mod golden;
mod interop;
#[cfg(all(unix, feature = "keyservice"))]
mod keyservice;
mod line_changes;
mod lines;
#[cfg(unix)]
mod pgp;
mod precommit;
mod readers;
mod readme;
mod recipients;
mod reference_faults;
#[cfg(unix)]
mod robustness;
mod rules;
mod servers;
mod shrink;
mod support;
mod values;
mod yaml;
mod yaml_facts;
