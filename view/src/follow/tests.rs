use super::*;

#[test]
fn text_of_a_file_does_not_command_the_terminal() {
    let mut screen = Screen::default();
    screen.remember(1_500_000, "a\x1b[2Jb\n");
    assert_eq!(screen.last[0], "    1.500000 a[2Jb");
    assert!(!screen.picture(true).contains('\x1b'));
}

#[test]
fn the_last_remarks_are_kept() {
    let mut screen = Screen::default();
    (0..20).for_each(|at| screen.remember(at, &at.to_string()));
    assert_eq!(screen.last.len(), LAST);
    assert!(screen.last[0].ends_with(" 12"));
}
