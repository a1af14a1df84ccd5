#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kit_properties::trace_context(data));
