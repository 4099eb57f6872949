use super::{Fate, Lengths, Stretch};
use crate::verdict::Verdict;

const REFUSED: Fate = Fate::Refused {
    exception: Some(6),
    condition: 0,
    status: 0,
};

const CUT: Fate = Fate::Split {
    size: Some(8),
    reversed: true,
};

/// The text about lengths 1 to 4096 with the results from `fate`.
fn said(fate: impl Fn(u64) -> Fate) -> Vec<String> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for length in 1..=4096 {
        match stretches.last_mut() {
            Some(last) if last.fate == fate(length) => last.to = length,
            _ => stretches.push(Stretch {
                from: length,
                to: length,
                fate: fate(length),
            }),
        }
    }
    Lengths(stretches)
        .causes()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn limits_are_found_to_the_byte() {
    for limit in [257, 2048, 2049] {
        let maximum = said(|length| if length > limit { REFUSED } else { Fate::Whole });
        assert_eq!(
            maximum,
            [format!(
                "PCISTB longer than {limit} bytes: specification exception. This looks like a maximum store block length of {limit}"
            )]
        );
        let cut = said(|length| if length > limit { CUT } else { Fate::Whole });
        assert_eq!(
            cut,
            [format!(
                "PCISTB of {} bytes is the shortest that is split; {limit} bytes arrive whole. \
                 This looks like a loop over accesses of 8 bytes, each given in the wrong byte order",
                limit + 1
            )]
        );
    }
}

#[test]
fn a_strict_function_is_recognised() {
    let stock = said(|length| {
        if length > 8 && length <= 128 && length.is_multiple_of(8) {
            CUT
        } else {
            REFUSED
        }
    });
    let begins: Vec<&str> = stock
        .iter()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        begins,
        [
            "PCISTB longer than 128 bytes",
            "PCISTB of other lengths than multiples of 8",
            "PCISTB of 8 bytes or fewer",
            "PCISTB is split from 16 bytes on, and none arrives whole. This looks like a loop over accesses of 8 bytes, each given in the wrong byte order",
        ]
    );
}

#[test]
fn a_length_of_nine_bits_that_is_cut_to_eight_is_found() {
    let lost = said(|length| {
        if length > 256 {
            Fate::Other(Verdict::Lost)
        } else {
            Fate::Whole
        }
    });
    assert_eq!(
        lost,
        [
            "PCISTB of 257 bytes is the shortest whose bytes are lost. This looks like a buffer or a number with room for 256"
        ]
    );
}

#[test]
fn nothing_is_said_of_lengths_that_all_arrive_or_are_all_refused() {
    assert!(said(|_| Fate::Whole).is_empty());
    assert!(said(|_| REFUSED).is_empty());
}
