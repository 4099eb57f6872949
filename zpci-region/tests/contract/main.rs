//! Tests that the three forms of the contract agree: the C header, the page and the code.

mod code;
mod header;
mod layout;
mod page;

use layout::{assert_dense, meaningful};

#[test]
fn the_header_has_the_layouts_of_the_code() {
    let compiled = header::compile();
    let code = code::layouts();
    assert_eq!(compiled.sizes, code::sizes());
    assert!(code.keys().eq(compiled.layouts.keys()));
    for (name, fields) in &compiled.layouts {
        assert_eq!(Some(&meaningful(fields)), code.get(name), "{name}");
        assert_dense(name, compiled.sizes[name], fields);
    }
    assert_eq!(compiled.constants, code::constants());
}

#[test]
fn the_page_has_the_layouts_of_the_header() {
    let compiled = header::compile();
    let (layouts, constants) = page::read();
    assert_eq!(layouts, compiled.layouts);
    assert_eq!(constants, compiled.constants);
}
