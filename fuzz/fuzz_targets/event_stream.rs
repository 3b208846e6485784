#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanfare::fuzz::event_stream(data));
