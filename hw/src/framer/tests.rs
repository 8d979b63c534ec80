use super::Framer;

#[test]
fn yosys_accepts_it() {
    let text = crate::export("framer", &mut *Box::<Framer<128, 16, 1, 4>>::default());
    crate::yosys::check("framer", &text);
}
