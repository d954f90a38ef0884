#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sops_core::{EncryptedFile, Format, check::Checker, is_encrypted, metadata::Metadata};

static CHECKER: LazyLock<Checker> = LazyLock::new(Checker::new);

fuzz_target!(|text: &[u8]| {
    for format in [Format::Yaml, Format::Json] {
        let _ = is_encrypted(text, format);
        CHECKER.check(text, format, None);
        let Ok(file) = EncryptedFile::parse(text, format) else {
            continue;
        };
        // What is written is read again, and is the same from then on.
        let written = file.metadata().to_raw();
        let again = Metadata::from_raw(&written).expect("what was written is read");
        assert_eq!(again.to_raw(), written);
        let _ = file.metadata().mac_additional_data();
    }
});
