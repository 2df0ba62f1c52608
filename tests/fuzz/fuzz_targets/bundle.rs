//! Whatever stands in a bundle: YAML, JSON, documents of every kind, account exports.
//!
//! A bundle is refused or put in force; it never makes anything panic, and what is put in force
//! judges a request without panicking.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::loader::reload::compile;
use sidegate::loader::source::{File, Files};
use sidegate::model::Timestamp;
use sidegate::pdp::{Asker, Pdp, Question};
use sidegate::simulate::judge_line;

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    match kind % 3 {
        0 => bundle("fuzz.yaml", rest),
        1 => bundle("fuzz.json", rest),
        _ => {
            if let Ok(line) = std::str::from_utf8(rest) {
                let _ = judge_line(line, true);
            }
        }
    }
});

fn bundle(path: &str, bytes: &[u8]) {
    let now = Timestamp::from_seconds(1_893_456_000);
    let files = Files::new(vec![File {
        path: path.to_owned(),
        bytes: bytes.to_vec(),
    }]);
    let Ok(loaded) = compile(&files, "fuzz", now) else {
        return;
    };
    let question = Question::of(
        Asker::Named("arn:aws:iam::210000000001:user/ana".to_owned()),
        "orders:GetOrder",
        "arn:aws:orders:eu-1:210000000001:order/7",
    );
    let _ = Pdp::answer(&loaded.snapshot, &question, now);
}
