#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanfare::fuzz::wheel_ops(data));
