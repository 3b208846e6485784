#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanfare::fuzz::fanfare_v1(data));
