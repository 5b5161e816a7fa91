//! Places of calls that are handed on, and who may have how many: nobody may stop the servers behind for others.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::timeout;

use crate::call::allowed;
use crate::credentials::Credential;
use crate::places::{Place, Places};
use crate::refusal::Refusal;

/// Calls at once of whoever is not trusted with more, and how long each may take.
const FEW: usize = 8;
const SHORT: Duration = Duration::from_secs(5);
/// How much later than its caller the other server may answer, who says better than we do what took so long.
const SKEW: Duration = Duration::from_millis(250);

/// All places, and those of calls that need no credential.
pub(crate) struct Shares {
    most: usize,
    taken: Places,
    strangers: Places,
}

/// The place of one call among all of them and among its caller's, kept until its answer has ended.
pub(crate) struct HandedOn {
    _place: Place,
    _own: Option<Place>,
    /// How long the answer may take to begin, if that is bounded.
    time: Option<Duration>,
}

impl HandedOn {
    /// What the other server answers, if it begins to in time.
    pub(crate) async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Refusal> {
        match self.time {
            None => Ok(answer.await),
            Some(time) => timeout(time, answer).await.map_err(|_| Refusal::deadline("the service did not answer in time")),
        }
    }
}

impl Shares {
    /// `most` calls at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Places::default(), strangers: Places::default() }
    }

    /// A place for a caller, unless callers are not checked. One credential for every service may have half of them, one for lookups a few.
    pub(crate) fn take(&self, caller: Option<&Credential>, headers: &HeaderMap) -> Option<HandedOn> {
        match caller {
            None => self.place(None, headers, None),
            Some(credential) if credential.everything => {
                let own = credential.account.handed_on.take_below(self.most.div_ceil(2))?;
                self.place(Some(own), headers, None)
            }
            Some(credential) => self.place(Some(credential.account.handed_on.take_below(FEW)?), headers, Some(SHORT)),
        }
    }

    /// A place for whoever calls what is for everybody.
    pub(crate) fn take_for_everybody(&self, headers: &HeaderMap) -> Option<HandedOn> {
        self.place(Some(self.strangers.take_below(FEW)?), headers, Some(SHORT))
    }

    fn place(&self, own: Option<Place>, headers: &HeaderMap, most: Option<Duration>) -> Option<HandedOn> {
        let asked = allowed(headers).map(|time| time.saturating_add(SKEW));
        let time = [most, asked].into_iter().flatten().min();
        Some(HandedOn { _place: self.taken.take_below(self.most)?, _own: own, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_everybody_has_few_places_and_little_time() {
        let shares = Shares::new(10);
        let headers = HeaderMap::from_iter([("grpc-timeout".parse().expect("a name"), "1S".parse().expect("a value"))]);
        let few: Vec<HandedOn> = (0..FEW).filter_map(|_| shares.take_for_everybody(&HeaderMap::new())).collect();
        assert_eq!((few.len(), few[0].time), (FEW, Some(SHORT)));
        assert!(shares.take_for_everybody(&headers).is_none());
        let open = shares.take(None, &headers).expect("a place");
        assert_eq!(open.time, Some(Duration::from_millis(1_250)));
        assert!(shares.take(None, &HeaderMap::new()).is_some_and(|place| place.time.is_none()));
        drop(few);
        assert!(shares.take_for_everybody(&headers).is_some());
    }
}
