//! The data plane by itself, without a ledger behind it: what `make flame` looks into.
//!
//! `serve PORT CACHE_URL KEY_IN_HEX` answers on loopback until it is killed. What the cache lacks is never answered, so the call ends by its
//! deadline.

use std::error::Error;
use std::time::Duration;

use goldthread_register::{CacheSettings, CallLimits, RegisterSettings, start};

const CONNECTIONS: usize = 4096;
const STREAMS: u32 = 1024;
const MESSAGE_BYTES: usize = 65_536;
const METADATA_BYTES: usize = 8192;
const IN_FLIGHT: usize = 65_536;
const MISSES: usize = 512;
const TIME: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(300);
const BOUNDS: [f64; 6] = [0.000_5, 0.001, 0.005, 0.01, 0.048, 0.25];

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or("serve PORT CACHE_URL KEY_IN_HEX");
    let (port, url, key) = (word()?.parse()?, word()?, from_hex(&word()?)?);
    let settings = RegisterSettings {
        host: "127.0.0.1".to_owned(),
        port,
        reuse_port: false,
        threads: 1,
        max_connections: CONNECTIONS,
        hello: TIME,
        idle: IDLE,
        max_streams: STREAMS,
        max_handed_on: STREAMS,
        max_metadata_bytes: METADATA_BYTES,
        limits: CallLimits { in_flight: IN_FLIGHT, misses: MISSES, time: TIME, request_bytes: MESSAGE_BYTES },
        tls: None,
        credentials: None,
        forward: None,
        web: None,
        cache: CacheSettings {
            url,
            timeout: Duration::from_secs(1),
            breaker_failures: 3,
            breaker_pause: Duration::from_millis(500),
        },
        token_key: key,
        region: "US".to_owned(),
        latency_bounds: BOUNDS.to_vec(),
    };
    let _register = start(settings).map_err(|error| format!("{error:?}"))?;
    loop {
        std::thread::park();
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or("the key is not hex"))
        .collect::<Result<_, _>>()?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
