//! The lanes of a sequence diagram.

use std::collections::HashMap;

use super::row::NO_LANE;
use crate::error::Error;

/// Most lanes that a page can show.
const MOST: usize = NO_LANE as usize - 1;

/// The kind of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LaneKind {
    /// A function, together with its guest.
    Function,
    /// All functions of one server.
    Fabric,
    /// A guest whose instructions the plugin recorded.
    Guest,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    /// The title of the lane.
    pub name: String,
    pub kind: LaneKind,
    /// Number of the lane's file.
    pub file: usize,
}

/// All lanes, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    all: Vec<Lane>,
    known: HashMap<(usize, LaneKind, String), u8>,
}

impl Lanes {
    pub(crate) fn all(&self) -> &[Lane] {
        &self.all
    }

    /// The lane with this name. Adds it if it is new.
    pub(super) fn get(&mut self, file: usize, kind: LaneKind, name: &str) -> Result<u8, Error> {
        if let Some(lane) = self.known.get(&(file, kind, name.to_owned())) {
            return Ok(*lane);
        }
        let too_many = Error::TooMany {
            what: "functions and guests",
            count: self.all.len() + 1,
            most: MOST,
        };
        let lane = u8::try_from(self.all.len()).ok();
        let lane = lane.filter(|lane| usize::from(*lane) < MOST);
        let lane = lane.ok_or(too_many)?;
        self.all.push(Lane {
            name: name.to_owned(),
            kind,
            file,
        });
        self.known.insert((file, kind, name.to_owned()), lane);
        Ok(lane)
    }

    /// Number of the lane's file.
    pub(super) fn file(&self, lane: u8) -> usize {
        self.all.get(usize::from(lane)).map_or(0, |lane| lane.file)
    }

    pub(crate) fn name(&self, lane: u8) -> &str {
        self.all
            .get(usize::from(lane))
            .map_or("?", |lane| &lane.name)
    }
}
