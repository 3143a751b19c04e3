from sandbox.modelserver import page


def test_the_page_is_what_the_table_says() -> None:
    assert page.main(["--check"]) == 0
