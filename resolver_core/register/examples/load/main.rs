//! A load generator that asks for somebody else with every request and looks at every answer: `make bench-lookup`.
//!
//! h2load sends one body over and over, which any cache of answers would answer best, and does not look at what comes back. This one reads
//! its questions, each with what the answer must end in, from a file:
//!
//! `load PROTOCOL PORT FILE CONNECTIONS STREAMS SECONDS [RATE]`, where the protocol is `grpc` (HTTP/2 without TLS), `h1` or `resp`. Without a
//! rate every connection keeps STREAMS requests under way; with one, requests begin by the clock, whatever became of those before, and
//! their time counts from when they should have begun. It prints one JSON object. The file holds, again and again, two bytes of length and
//! the request, and two bytes of length and the answer's end; empty means that any answer will do.

mod grpc;
mod lines;

use std::collections::VecDeque;
use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

const USAGE: &str = "load PROTOCOL PORT FILE CONNECTIONS STREAMS SECONDS [RATE]";
const WARM_UP: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(5);
const ROOM: usize = 64 * 1024;

/// A request, and what its answer ends in.
pub(crate) struct Question {
    pub(crate) request: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Question {
    /// Whether this is its answer.
    pub(crate) fn is_answered_by(&self, answer: &[u8]) -> bool {
        !answer.is_empty() && answer.ends_with(&self.end)
    }
}

/// An answer: which of the requests under way it is to, and whether it is right.
pub(crate) struct Answered {
    pub(crate) request: u64,
    pub(crate) right: bool,
}

/// How one connection asks and is answered. Requests are numbered by it, in the order in which they are written.
pub(crate) trait Protocol: Send {
    /// What is said first.
    fn hello(&self) -> Vec<u8>;
    /// Writes the request; false if it has to wait for the peer.
    fn ask(&mut self, question: usize, to: &mut Vec<u8>) -> Option<u64>;
    /// Takes what has come, and says how much of it; may have something to write.
    fn take(&mut self, came: &[u8], answered: &mut Vec<Answered>, to: &mut Vec<u8>) -> Result<usize, String>;
}

#[derive(Clone, Copy)]
struct Plan {
    port: u16,
    streams: usize,
    /// Between two requests of one connection; none keeps `streams` under way.
    pace: Option<Duration>,
    counted_from: Instant,
    until: Instant,
}

#[derive(Default)]
struct Seen {
    microseconds: Vec<u64>,
    wrong: usize,
    failed: Option<String>,
}

/// One connection's questions under way.
struct Asking<P> {
    protocol: P,
    plan: Plan,
    next: usize,
    step: usize,
    most: usize,
    under_way: VecDeque<(u64, Option<Instant>)>,
    due: Instant,
    seen: Seen,
}

impl<P: Protocol> Asking<P> {
    /// Asks what is due now.
    fn ask(&mut self, to: &mut Vec<u8>) {
        loop {
            let now = Instant::now();
            if now >= self.plan.until {
                return;
            }
            let begun = match self.plan.pace {
                None if self.under_way.len() >= self.plan.streams => return,
                None => now,
                Some(_) if self.due > now => return,
                Some(_) => self.due,
            };
            let Some(number) = self.protocol.ask(self.next % self.most, to) else { return };
            self.next += self.step;
            self.due += self.plan.pace.unwrap_or_default();
            self.under_way.push_back((number, Some(begun)));
        }
    }

    fn count(&mut self, answered: &Answered) {
        let Some(place) = self.under_way.iter().position(|(number, _)| *number == answered.request) else { return };
        let now = Instant::now();
        let begun = self.under_way[place].1.take();
        while self.under_way.front().is_some_and(|(_, begun)| begun.is_none()) {
            self.under_way.pop_front();
        }
        let Some(begun) = begun else { return };
        if !answered.right {
            self.seen.wrong += 1;
        } else if begun >= self.plan.counted_from && now <= self.plan.until {
            let time = u64::try_from((now - begun).as_micros()).unwrap_or(u64::MAX);
            self.seen.microseconds.push(time);
        }
    }

    async fn run(mut self) -> Seen {
        if let Err(error) = self.talk().await {
            self.seen.failed = Some(error.to_string());
        }
        self.seen
    }

    async fn talk(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.plan.port)).await?;
        stream.set_nodelay(true)?;
        let mut to = self.protocol.hello();
        let mut came = Vec::with_capacity(ROOM);
        let mut answered = Vec::new();
        loop {
            self.ask(&mut to);
            if !to.is_empty() {
                stream.write_all(&to).await?;
                to.clear();
            }
            let now = Instant::now();
            if now >= self.plan.until && self.under_way.is_empty() {
                return Ok(());
            }
            let read = if self.plan.pace.is_some() && now < self.plan.until {
                tokio::select! {
                    read = stream.read_buf(&mut came) => read?,
                    () = sleep_until(self.due.into()) => continue,
                }
            } else {
                timeout(LAST_WAIT, stream.read_buf(&mut came)).await??
            };
            if read == 0 {
                return Err("the server hung up".into());
            }
            let taken = self.protocol.take(&came, &mut answered, &mut to)?;
            came.drain(..taken);
            for one in answered.drain(..) {
                self.count(&one);
            }
        }
    }
}

fn questions(file: &str) -> Result<Arc<[Question]>, Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let mut rest = &bytes[..];
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (part, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        Some(part.to_vec())
    };
    let mut all = Vec::new();
    while let Some(request) = next() {
        all.push(Question { request, end: next().ok_or("the file ends in the midst of a question")? });
    }
    if all.is_empty() {
        return Err("the file holds no question".into());
    }
    Ok(all.into())
}

fn start(set: &mut JoinSet<Seen>, protocol: impl Protocol + 'static, plan: Plan, most: usize, place: (usize, usize)) {
    let (index, connections) = place;
    let due = plan.pace.map_or(Instant::now(), |pace| {
        let share = f64::from(u32::try_from(index).unwrap_or_default()) / f64::from(u32::try_from(connections).unwrap_or(1));
        Instant::now() + pace.mul_f64(share)
    });
    let asking = Asking {
        protocol,
        plan,
        next: index,
        step: connections,
        most,
        under_way: VecDeque::new(),
        due,
        seen: Seen::default(),
    };
    set.spawn(asking.run());
}

async fn load(words: &[String]) -> Result<String, Box<dyn Error>> {
    let [protocol, port, file, connections, streams, seconds, rate @ ..] = words else { return Err(USAGE.into()) };
    let questions = questions(file)?;
    let (port, connections, streams) = (port.parse()?, connections.parse::<usize>()?, streams.parse()?);
    let seconds = Duration::from_secs_f64(seconds.parse()?);
    let per_second: Option<f64> = rate.first().map(|text| text.parse()).transpose()?;
    let beat = per_second.map(|rate| Duration::from_secs_f64(f64::from(u32::try_from(connections).unwrap_or(1)) / rate));
    let counted_from = Instant::now() + WARM_UP;
    let plan = Plan { port, streams, pace: beat, counted_from, until: counted_from + seconds };
    let mut set = JoinSet::new();
    for index in 0..connections {
        let (questions, most, place) = (Arc::clone(&questions), questions.len(), (index, connections));
        match protocol.as_str() {
            "grpc" => start(&mut set, grpc::Grpc::new(questions, port), plan, most, place),
            "h1" => start(&mut set, lines::Lines::http(questions), plan, most, place),
            "resp" => start(&mut set, lines::Lines::resp(questions), plan, most, place),
            _ => return Err(USAGE.into()),
        }
    }
    let (mut times, mut wrong, mut failed) = (Vec::new(), 0, None);
    while let Some(ended) = set.join_next().await {
        let one = ended?;
        times.extend(one.microseconds);
        wrong += one.wrong;
        failed = failed.or(one.failed);
    }
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let place = (times.len() as f64 * share) as usize;
        times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    Ok(format!(
        r#"{{"answers": {}, "wrong": {wrong}, "seconds": {}, "p50_us": {}, "p99_us": {}, "p999_us": {}, "longest_us": {}}}"#,
        times.len(),
        seconds.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(load(&words))?);
    Ok(())
}
