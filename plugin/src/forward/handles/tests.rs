// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

/// Builds a block of `length` bytes with a header and these words.
fn block(length: usize, code: u16, words: &[(usize, u32)]) -> Vec<u8> {
    let mut block = vec![0; length];
    block[..2].copy_from_slice(&(length as u16).to_be_bytes());
    block[2..4].copy_from_slice(&code.to_be_bytes());
    for (at, word) in words {
        block[*at..at + 4].copy_from_slice(&word.to_be_bytes());
    }
    block
}

/// Reports a list with device and vendor, fid and handle of each function.
fn list(handles: &mut Handles, functions: &[(u32, u32, u32)]) -> Vec<String> {
    let request = block(32, LIST, &[]);
    let mut response = block(32 + 16 * functions.len(), OK, &[]);
    response[ENTRY_LENGTH] = 16;
    for (index, (ids, fid, handle)) in functions.iter().enumerate() {
        for (at, word) in [(0, ids), (8, fid), (12, handle)] {
            let at = ENTRIES + 16 * index + at;
            response[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
    }
    handles.learn(&request, &response)
}

#[track_caller]
fn set(handles: &mut Handles, code: u16, before: u32, after: u32) {
    let request = block(32, SET, &[(16, before)]);
    let notes = handles.learn(&request, &block(32, code, &[(16, after)]));
    assert_eq!(notes, [""; 0]);
}

const ISM_IDS: u32 = 0x04ED_1014;
const RNG_IDS: u32 = 0x1044_1AF4;

#[test]
fn a_function_is_followed_through_enabling_and_disabling() {
    let mut handles = Handles::new([Selector::Fid(8)]);
    assert_eq!(handles.find(0x8000_0021), None);
    assert_eq!(
        list(&mut handles, &[(RNG_IDS, 7, 0x20), (ISM_IDS, 8, 0x21)]),
        [""; 0]
    );
    assert_eq!(handles.find(0x8000_0021), None, "not enabled");
    assert_eq!(handles.find(0x21), None);
    set(&mut handles, OK, 0x21, 0x8000_0021);
    assert_eq!(handles.find(0x8000_0021), Some(0));
    assert_eq!(handles.find(0x8000_0020), None);
    assert_eq!(handles.find(0x21), None);
    set(&mut handles, 0x12, 0x8000_0021, 0x21);
    assert_eq!(
        handles.find(0x8000_0021),
        Some(0),
        "a refused call changes nothing"
    );
    set(&mut handles, OK, 0x8000_0021, 0x21);
    assert_eq!(handles.find(0x8000_0021), None);
}

#[test]
fn a_function_in_error_is_qemus_until_the_error_is_reset() {
    let mut handles = Handles::new([Selector::Fid(8)]);
    list(&mut handles, &[(ISM_IDS, 8, 0x8000_0021)]);
    for (handle, cc, status) in [
        (0x8000_0021, 0, None),
        (0x8000_0021, 1, Some(16)),
        (0x8000_0022, 1, Some(8)),
    ] {
        handles.refreshed(handle, Some(cc), status);
        assert_eq!(handles.find(0x8000_0021), Some(0));
    }
    for status in [8, 40] {
        handles.refreshed(0x8000_0021, Some(1), Some(status));
        assert_eq!(handles.find(0x8000_0021), None);
        for (operation, cc) in [(7, 1), (9, 1), (4, 0)] {
            handles.controlled(0x8000_0021, Some(operation), Some(cc));
            assert_eq!(handles.find(0x8000_0021), None);
        }
        handles.controlled(0x8000_0021, Some(7), Some(0));
        assert_eq!(handles.find(0x8000_0021), Some(0));
    }
    // After unblocking, loads and stores work, though the function is still in error.
    handles.refreshed(0x8000_0021, Some(1), Some(8));
    handles.controlled(0x8000_0021, Some(9), Some(0));
    assert_eq!(handles.find(0x8000_0021), Some(0));
    // Disabling and enabling the function also ends the error.
    handles.refreshed(0x8000_0021, Some(1), Some(8));
    set(&mut handles, OK, 0x8000_0021, 0x21);
    set(&mut handles, OK, 0x21, 0x8000_0021);
    assert_eq!(handles.find(0x8000_0021), Some(0));
}

#[test]
fn another_functions_call_changes_nothing() {
    let mut handles = Handles::new([Selector::Fid(8)]);
    list(&mut handles, &[(ISM_IDS, 8, 0x8000_0021)]);
    set(&mut handles, OK, 0x8000_0022, 0x22);
    assert_eq!(handles.find(0x8000_0021), Some(0));
}

#[test]
fn a_uid_is_found_by_queries() {
    let mut handles = Handles::new([Selector::Uid(7), Selector::Uid(9)]);
    let both = [(ISM_IDS, 1, 0x21), (ISM_IDS, 2, 0x8000_0022)];
    assert_eq!(list(&mut handles, &both), [""; 0]);
    for (handle, fid, uid) in [(0x21, 1, 9), (0x8000_0022, 2, 7)] {
        let request = block(32, QUERY, &[(16, handle)]);
        handles.learn(&request, &block(192, OK, &[(20, fid), (124, uid)]));
    }
    assert_eq!(handles.find(0x8000_0022), Some(0));
    set(&mut handles, OK, 0x21, 0x8000_0021);
    assert_eq!(handles.find(0x8000_0021), Some(1));
    // A second list shows the same functions, one of them disabled by a reset.
    list(
        &mut handles,
        &[(ISM_IDS, 1, 0x21), (ISM_IDS, 2, 0x8000_0022)],
    );
    assert_eq!(handles.find(0x8000_0021), None);
    assert_eq!(handles.find(0x8000_0022), Some(0));
    // The handle now belongs to another function.
    let request = block(32, QUERY, &[(16, 0x8000_0022)]);
    handles.learn(&request, &block(192, OK, &[(20, 5), (124, 55)]));
    assert_eq!(handles.find(0x8000_0022), None);
}

#[test]
fn the_only_ism_function_needs_no_id() {
    let mut handles = Handles::new([Selector::OnlyIsm]);
    list(
        &mut handles,
        &[(RNG_IDS, 1, 0x8000_0020), (ISM_IDS, 2, 0x8000_0021)],
    );
    assert_eq!(handles.find(0x8000_0021), Some(0));
    let request = block(32, QUERY, &[(16, 0x8000_0021)]);
    handles.learn(&request, &block(192, OK, &[(20, 2), (124, 7)]));
    assert_eq!(handles.find(0x8000_0021), Some(0));
    // With a second function, the plugin forwards nothing and reports that once.
    let two = [(ISM_IDS, 2, 0x8000_0021), (ISM_IDS, 3, 0x8000_0022)];
    let notes = list(&mut handles, &two);
    assert!(notes[0].contains("2 functions 1014:04ed"), "{notes:?}");
    assert_eq!(handles.find(0x8000_0021), None);
    assert_eq!(list(&mut handles, &two), [""; 0]);
}

#[test]
fn a_function_that_the_guest_does_not_have_is_named_once() {
    let mut handles = Handles::new([Selector::Fid(8)]);
    let notes = list(&mut handles, &[(ISM_IDS, 9, 0x21)]);
    assert!(notes[0].contains("no function with fid=8"), "{notes:?}");
    assert_eq!(list(&mut handles, &[]), [""; 0]);
    list(&mut handles, &[(ISM_IDS, 8, 0x8000_0021)]);
    assert_eq!(handles.find(0x8000_0021), Some(0));
    // The function was unplugged.
    list(&mut handles, &[]);
    assert_eq!(handles.find(0x8000_0021), None);
}

#[test]
fn the_first_part_of_a_long_list_takes_no_function_away() {
    let mut handles = Handles::new([Selector::Fid(8)]);
    list(&mut handles, &[(ISM_IDS, 8, 0x8000_0021)]);
    let mut response = block(32, OK, &[(RESUME_TOKEN + 4, 1)]);
    response[ENTRY_LENGTH] = 16;
    assert_eq!(handles.learn(&block(32, LIST, &[]), &response), [""; 0]);
    assert_eq!(handles.find(0x8000_0021), Some(0));
}

#[test]
fn queries_of_our_functions_and_of_their_group_are_known() {
    let mut handles = Handles::new([Selector::Fid(8), Selector::Fid(9)]);
    list(
        &mut handles,
        &[(ISM_IDS, 8, 0x21), (ISM_IDS, 9, 0x22), (RNG_IDS, 3, 0x20)],
    );
    let query = |handle| block(32, QUERY, &[(16, handle)]);
    let answer = |fid, group: u32| block(192, OK, &[(16, group), (20, fid)]);
    for (handle, fid) in [(0x21, 8), (0x22, 9), (0x20, 3)] {
        handles.learn(
            &query(handle),
            &answer(fid, if fid == 9 { 5 } else { 0xFF }),
        );
    }
    let subject = |request: &[u8]| handles.subject(request, &block(64, OK, &[]));
    assert_eq!(subject(&query(0x8000_0022)), Some(Subject::Function(1)));
    assert_eq!(subject(&query(0x20)), None);
    let group = |number| block(32, QUERY_GROUP, &[(16, number)]);
    assert_eq!(subject(&group(0xFF)), Some(Subject::Group(vec![0])));
    assert_eq!(subject(&group(5)), Some(Subject::Group(vec![1])));
    assert_eq!(subject(&group(6)), None);
    assert_eq!(handles.subject(&group(5), &block(64, 0x20, &[])), None);
}

#[test]
fn short_and_odd_blocks_are_taken_without_harm() {
    let mut handles = Handles::new([Selector::Fid(0), Selector::Uid(0)]);
    for code in [LIST, QUERY, SET, 9] {
        for length in 4..40 {
            for entry in [0, 1, 15, 16, 255] {
                let mut response = block(length, OK, &[]);
                if let Some(place) = response.get_mut(ENTRY_LENGTH) {
                    *place = entry;
                }
                handles.learn(&block(length, code, &[])[..length.min(20)], &response);
            }
        }
    }
    assert_eq!(handles.find(0x8000_0000), None);
}
