//! Rules of the protocol that can be left out, by name: the simulator has to find what they prevent.

use softnic::Omissions;

/// Every omission.
pub const NAMES: [&str; 6] = [
    "newer_wins_partial",
    "no_tombstone",
    "no_authority",
    "host_copy_snapshot",
    "linear_digest",
    "early_in_sync",
];

/// The omission of this name.
pub fn by_name(name: &str) -> Option<Omissions> {
    let mut omissions = Omissions::default();
    match name {
        "newer_wins_partial" => omissions.newer_wins_partial = true,
        "no_tombstone" => omissions.no_tombstone = true,
        "no_authority" => omissions.no_authority = true,
        "host_copy_snapshot" => omissions.host_copy_snapshot = true,
        "linear_digest" => omissions.linear_digest = true,
        "early_in_sync" => omissions.early_in_sync = true,
        _ => return None,
    }
    Some(omissions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_plants_something_of_its_own() {
        let planted: Vec<Omissions> = NAMES.iter().map(|name| by_name(name).unwrap()).collect();
        for (index, omissions) in planted.iter().enumerate() {
            assert_ne!(*omissions, Omissions::default());
            assert!(!planted[..index].contains(omissions));
        }
        assert_eq!(by_name("none"), None);
    }
}
