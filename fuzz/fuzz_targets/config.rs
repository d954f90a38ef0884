#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sops_core::{EncryptOptions, config::Config};

fuzz_target!(|text: &str| {
    let Ok(config) = Config::parse(text, Path::new("/project/.sops.yaml")) else {
        return;
    };
    for file in [
        "/project/secrets.yaml",
        "/project/deep/er/a.enc.json",
        "/elsewhere/a.yaml",
    ] {
        if let Ok(rule) = config.rule_for(Path::new(file)) {
            let _ = EncryptOptions::new(rule.groups());
        }
    }
});
