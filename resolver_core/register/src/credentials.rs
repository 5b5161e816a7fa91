//! Who may call: a file of digests, one credential a line, read again when it changes.
//!
//! ```text
//! # SHA-256 of the bearer token in hex, a name for logs, and what it may do
//! 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae store-12-till-3
//! fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9 crm all misses=600 answers=6000
//! ```
//!
//! Tokens are random (32 bytes or more), so one hash without salt keeps them as well as a slow one would. A name may have several lines, for
//! rotation; each has an account of its own.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use goldthread_matching::{Digest32, sha256};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;

use crate::account::{Account, Allowance};
use crate::files::{Stamp, stamp};
use crate::refusal::Refusal;
use crate::settings::Credentials as CredentialSettings;

/// Why the file cannot be used; names the line, never what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileError(pub(crate) String);

/// A credential.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    digest: Digest32,
    /// Name for logs.
    pub(crate) name: Arc<str>,
    /// Whether it is for every service, not for lookups alone.
    pub(crate) everything: bool,
    pub(crate) account: Arc<Account>,
}

/// By the first bytes of the digest, which tell a clock nothing of a token; the rest is compared in constant time.
type Table = HashMap<[u8; 8], Vec<Credential>>;

/// The credentials as the file had them last.
#[derive(Debug)]
pub(crate) struct Credentials {
    settings: CredentialSettings,
    table: RwLock<(Arc<Table>, Option<Stamp>)>,
}

impl Credentials {
    /// Reads the file.
    pub(crate) fn open(settings: CredentialSettings, now: Instant) -> Result<Self, FileError> {
        let credentials = Self { settings, table: RwLock::default() };
        credentials.read(now)?;
        Ok(credentials)
    }

    /// Reads the file again if it changed. An account goes on where its credential stays; a file that cannot be used changes nothing.
    pub(crate) fn reread(&self, now: Instant) -> Result<(), FileError> {
        let changed = stamp(&self.settings.file);
        if changed.is_none() || changed != self.current().1 {
            self.read(now)?;
        }
        Ok(())
    }

    /// Who shows this token.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Credential, Refusal> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let digest = sha256(shown.ok_or_else(Refusal::unauthenticated)?);
        let table = self.current().0;
        let alike = table.get(&head(&digest)).map(Vec::as_slice).unwrap_or_default();
        let known = alike.iter().find(|credential| bool::from(credential.digest.ct_eq(&digest)));
        known.cloned().ok_or_else(Refusal::unauthenticated)
    }

    /// Credentials there are.
    pub(crate) fn len(&self) -> usize {
        self.current().0.values().map(Vec::len).sum()
    }

    fn current(&self) -> (Arc<Table>, Option<Stamp>) {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self, now: Instant) -> Result<(), FileError> {
        let changed = stamp(&self.settings.file);
        let text = std::fs::read_to_string(&self.settings.file)
            .map_err(|error| FileError(format!("the file cannot be read ({})", error.kind())))?;
        let before = self.current().0;
        let table = parsed(&text, &self.settings, &before, now)?;
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(table), changed);
        Ok(())
    }
}

fn head(digest: &Digest32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    bytes
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii()).filter(|token| !token.is_empty())
}

fn parsed(text: &str, settings: &CredentialSettings, before: &Table, now: Instant) -> Result<Table, FileError> {
    let mut table = Table::new();
    let mut seen = HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| FileError(format!("line {number}: {what}"));
        let mut words = line.split_whitespace();
        let digest = words.next().and_then(from_hex).ok_or_else(|| wrong("64 hex digits come first"))?;
        let name = words.next().ok_or_else(|| wrong("a name comes second"))?;
        let mut allowance = Allowance { misses: settings.misses_per_minute, answers: settings.answers_per_minute };
        let mut everything = false;
        for word in words {
            let count = |text: &str| text.parse().map_err(|_| wrong("a budget is a whole number"));
            match word.split_once('=') {
                None if word == "all" => everything = true,
                None if word == "lookup" => everything = false,
                Some(("misses", text)) => allowance.misses = count(text)?,
                Some(("answers", text)) => allowance.answers = count(text)?,
                _ => return Err(wrong("after the name come lookup or all, misses=N, answers=N")),
            }
        }
        if !seen.insert(digest) {
            return Err(wrong("the digest stands there twice"));
        }
        let kept = before.get(&head(&digest)).into_iter().flatten().find(|one| one.digest == digest);
        let account = kept
            .filter(|one| one.account.allowance() == allowance)
            .map_or_else(|| Arc::new(Account::new(allowance, now)), |one| Arc::clone(&one.account));
        table.entry(head(&digest)).or_default().push(Credential { digest, name: name.into(), everything, account });
    }
    if table.is_empty() {
        return Err(FileError("the file holds no credential".to_owned()));
    }
    Ok(table)
}

fn from_hex(text: &str) -> Option<Digest32> {
    let digits = text.as_bytes();
    let mut digest = [0; 32];
    if digits.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use super::*;

    const TILL: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    const CRM: &str = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";

    fn settings(file: PathBuf) -> CredentialSettings {
        CredentialSettings { file, reread: Duration::from_secs(10), misses_per_minute: 30, answers_per_minute: 300 }
    }

    fn open(text: &str) -> (tempfile::TempDir, Result<Credentials, FileError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("credentials");
        std::fs::write(&file, text).expect("writable");
        (folder, Credentials::open(settings(file), Instant::now()))
    }

    fn shown(token: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, token.parse().expect("a header"))])
    }

    #[test]
    fn a_token_is_known_by_its_digest() {
        let text = format!("# tills\n{TILL} till-3 # note\n\n{CRM} crm all misses=600 answers=6000\n");
        let (_folder, opened) = open(&text);
        let credentials = opened.expect("a whole file");
        let till = credentials.authenticate(&shown("Bearer foo")).expect("known");
        let crm = credentials.authenticate(&shown("bearer  bar ")).expect("known");
        assert_eq!((&*till.name, till.everything), ("till-3", false));
        assert_eq!((&*crm.name, crm.everything, crm.account.allowance().misses), ("crm", true, 600));
        for wrong in ["Bearer ", "Bearer fo", "Basic foo", "foo", "Bearer foo bar"] {
            let refusal = credentials.authenticate(&shown(wrong)).expect_err("unknown");
            assert_eq!(refusal, Refusal::unauthenticated());
        }
        assert!(credentials.authenticate(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_wrong_line_is_named_without_its_words() {
        for (text, words) in [
            ("", "no credential"),
            ("abc till", "line 1: 64 hex"),
            (TILL, "line 1: a name"),
            (&format!("{TILL} till\n{TILL} till"), "line 2: the digest"),
            (&format!("{TILL} till some"), "line 1: after the name"),
            (&format!("{TILL} till misses=-1"), "line 1: a budget"),
        ] {
            let (_folder, opened) = open(text);
            let FileError(said) = opened.expect_err("wrong");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_changed_file_revokes_and_keeps_the_accounts_of_who_stays() {
        let (folder, opened) = open(&format!("{TILL} till\n{CRM} crm"));
        let credentials = opened.expect("a whole file");
        let before = credentials.authenticate(&shown("Bearer foo")).expect("known").account;
        let file = folder.path().join("credentials");
        let touch = |text: &str, seconds: u64| {
            std::fs::write(&file, text).expect("writable");
            let later = SystemTime::now() + Duration::from_secs(seconds);
            std::fs::File::options().write(true).open(&file).and_then(|open| open.set_modified(later)).expect("touched");
            credentials.reread(Instant::now())
        };
        assert!(touch("junk", 1).is_err());
        assert_eq!(credentials.len(), 2);
        touch(&format!("{TILL} till"), 2).expect("whole");
        assert!(credentials.authenticate(&shown("Bearer bar")).is_err());
        assert!(Arc::ptr_eq(&before, &credentials.authenticate(&shown("Bearer foo")).expect("known").account));
        touch(&format!("{TILL} till misses=1"), 3).expect("whole");
        assert!(!Arc::ptr_eq(&before, &credentials.authenticate(&shown("Bearer foo")).expect("known").account));
    }
}
