use super::Pool;

#[test]
fn yosys_accepts_it() {
    let text = crate::export("pool", &mut *Box::<Pool<128, 1, 3, 4, 5, 6, 4, 4>>::default());
    crate::yosys::check("pool", &text);
}
