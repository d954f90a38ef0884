#![no_main]

use libfuzzer_sys::fuzz_target;
use sops_core::{Format, fuzzing};

fuzz_target!(|text: &str| fuzzing::parse(text, Format::Dotenv));
