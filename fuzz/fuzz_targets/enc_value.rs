#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| sops_core::fuzzing::encrypted_value(text));
