//! The Lambda function `patch-product`.

fn main() -> Result<(), edge::Error> {
    edge::run(&products::patch_product::function())
}
