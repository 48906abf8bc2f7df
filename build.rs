//! Lets the addon's symbols be resolved by the Node.js that loads it.
fn main() {
    napi_build::setup();
}
