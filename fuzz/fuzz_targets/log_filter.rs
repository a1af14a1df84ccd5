#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kit_properties::log_filter(data));
