//! One channel of a handshake, seen from outside: what is offered holds until it is taken.

/// The offer that was not taken in the cycle before.
#[derive(Debug)]
pub(crate) struct Channel<T> {
    waiting: Option<T>,
}

impl<T> Default for Channel<T> {
    fn default() -> Channel<T> {
        Channel { waiting: None }
    }
}

impl<T: PartialEq> Channel<T> {
    /// Checks a cycle; what is taken in it, or the rule that is broken.
    pub(crate) fn sample(&mut self, offer: Option<T>, is_ready: bool) -> Result<Option<T>, &'static str> {
        match (&self.waiting, &offer) {
            (Some(_), None) => return Err("valid fell before ready"),
            (Some(waiting), Some(offer)) if waiting != offer => return Err("an offer changed before ready"),
            (Some(_), Some(_)) | (None, _) => {}
        }
        if is_ready {
            self.waiting = None;
            return Ok(offer);
        }
        self.waiting = offer;
        Ok(None)
    }
}
