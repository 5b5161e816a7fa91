"""What headers name, in eight languages and with words around them."""

from __future__ import annotations

import pytest

from goldthread.files.headers import Part, part_of


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            "Vorname;Nachname;Geburtsdatum;E-Mail;Telefon;Straße;Hausnummer;PLZ;Ort;Kundennummer;Geschlecht",
            "given_name;family_name;birth_date;email;phone;street;house_number;postcode;city;customer_number;personal",
        ),
        (
            "voornaam;achternaam;geboortedatum;e-mailadres;telefoonnummer;straat;huisnummer;postcode;woonplaats;klantnummer;geslacht",
            "given_name;family_name;birth_date;email;phone;street;house_number;postcode;city;customer_number;personal",
        ),
        (
            "Prénom;Nom;Date de naissance;Courriel;Téléphone;Rue;Code postal;Ville;Numéro client;Sexe",
            "given_name;family_name;birth_date;email;phone;street;postcode;city;customer_number;personal",
        ),
        (
            "Nombre;Apellidos;Fecha de nacimiento;Correo electrónico;Teléfono;Dirección;Código postal;Ciudad;DNI;Sexo",
            "given_name;family_name;birth_date;email;phone;street;postcode;city;personal_number;personal",
        ),
        (
            "Nome;Cognome;Data di nascita;E-mail;Telefono;Indirizzo;CAP;Città;Codice fiscale;Sesso",
            "given_name;family_name;birth_date;email;phone;street;postcode;city;personal_number;personal",
        ),
        (
            "Nome completo;Data de nascimento;E-mail;Telemóvel;Morada;Código postal;Cidade;Profissão",
            "full_name;birth_date;email;phone;street;postcode;city;personal",
        ),
        (
            "Imię;Nazwisko;Data urodzenia;E-mail;Numer telefonu;Ulica;Nr domu;Kod pocztowy;Miejscowość;PESEL;Płeć",
            "given_name;family_name;birth_date;email;phone;street;house_number;postcode;city;personal_number;personal",
        ),
        (
            "firstName;LAST_NAME;dateOfBirth;Customer E-mail;Home Phone;address line 1;Zip Code;Billing City;Loyalty ID;state",
            "given_name;family_name;birth_date;email;phone;street;postcode;city;loyalty_card;state",
        ),
    ],
)
def test_headers_are_known_in_eight_languages(headers: str, expected: str) -> None:
    assert [part_of(header) for header in headers.split(";")] == [Part(part) for part in expected.split(";")]


def test_headers_about_other_columns_and_unknown_ones() -> None:
    assert part_of("phone type") is Part.BESIDES
    assert part_of("email2") is Part.EMAIL
    assert part_of("favourite colour") is None
    assert part_of("***") is None


def test_words_that_only_say_which_address_do_not_count() -> None:
    headers = (
        "mailing_address_city",
        "Mailing Address Street Number",
        "permanentAddressZip",
        "addr_state",
        "delivery po box",
    )
    parts = (Part.CITY, Part.HOUSE_NUMBER, Part.POSTCODE, Part.STATE, Part.SECOND_LINE)
    assert tuple(map(part_of, headers)) == parts
    assert part_of("address_type") is Part.BESIDES
    assert part_of("address phone") is None
    # Where the employer sits is nobody's home.
    assert part_of("employer_city") is None


def test_words_that_each_say_something_of_the_person_do_so_together() -> None:
    assert [part_of(header) for header in ("race_ethnicity", "Beruf / Arbeitgeber", "age")] == [Part.PERSONAL] * 3
    assert part_of("job market") is None


def test_ids_of_customers_and_of_other_things() -> None:
    headers = ("cust_id", "Kunden-ID", "klant id", "shipping id", "billing_id", "primary id", "id")
    customer, besides, row = Part.CUSTOMER_NUMBER, Part.BESIDES, Part.RECORD_ID
    assert [part_of(header) for header in headers] == [customer, customer, customer, besides, besides, row, row]


def test_what_is_about_an_address_is_never_the_answer() -> None:
    headers = ("label", "entity_id", "person cluster", "mailing_label", "delivery label", "permanent_entity_id")
    assert [part_of(header) for header in headers] == [Part.TRUTH] * 3 + [None] * 3
