use super::*;

#[test]
fn a_registration_is_told_in_one_line() {
    let mut request = [0, 0, 0, 0x0a, 0, 0, 0, 40].to_vec();
    request.extend([0, 0, 0, 1, 0, 0, 0x10, 0]);
    request.extend([0, 0x10, 0, 0, 0, 0, 0, 33]);
    request.extend([0; 8]);
    request.extend([0x15, 0, 0, 0, 0, 0, 0, 2]);
    let response = [0, 0, 0, 0x0a, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0];
    let told = label(0x0a, "REG_DMB", &request, 0, &response);
    assert_eq!(
        told,
        "REG_DMB 1 MiB at 0x100001000, SBA index 33, for GID 0x1500000000000002 → token 0x700000000"
    );
    let told = label(0x0a, "REG_DMB", &request, 7, &response[..8]);
    assert!(told.ends_with("→ 0x7: the SBA index is in use"), "{told}");
}

#[test]
fn fields_that_are_not_there_are_missing_and_nothing_panics() {
    for code in 0..0x20 {
        for len in 0..200 {
            let bytes = vec![0xff; len];
            request(code, &bytes);
            response(code, 0, &bytes);
            label(code, "X", &bytes, 0, &bytes);
        }
    }
    let fields = request(0x0b, &[0, 0, 0, 0x0b]);
    assert_eq!(fields[2], ("dmb_tok", "missing".to_owned()));
}

#[test]
fn requests_end_where_the_device_says_they_do() {
    for command in Command::ALL {
        let end = request_fields(command.code())
            .iter()
            .map(|(_, at, len)| at + len);
        assert_eq!(
            end.max().unwrap_or(8),
            command.request_len(),
            "{}",
            command.name()
        );
    }
}
