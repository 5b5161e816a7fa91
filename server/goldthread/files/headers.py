"""What column headers say, in English, German, Dutch, French, Spanish, Italian, Portuguese and Polish."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

__all__ = ["CLAIM_PARTS", "PLAIN_PARTS", "Part", "exact_part_of", "part_of", "plain_words", "which_address"]


class Part(StrEnum):
    """What a header can name. Most parts are columns of the flat row format; the rest is made into them or explains why a column is left out."""

    SOURCE = "source"
    EMAIL = "email"
    PHONE = "phone"
    LOYALTY_CARD = "loyalty_card"
    CRM_NUMBER = "crm_number"
    WEBSHOP_NUMBER = "webshop_number"
    DEVICE = "device"
    COOKIE = "cookie"
    CUSTOMER_NUMBER = "customer_number"
    GIVEN_NAME = "given_name"
    MIDDLE_NAME = "middle_name"
    FAMILY_NAME = "family_name"
    NAME_SUFFIX = "name_suffix"
    FULL_NAME = "full_name"
    INITIALS = "initials"
    BIRTH_DATE = "birth_date"
    BIRTH_YEAR = "birth_year"
    BIRTH_MONTH = "birth_month"
    BIRTH_DAY = "birth_day"
    STREET = "street"
    HOUSE_NUMBER = "house_number"
    SECOND_LINE = "second_line"
    WHOLE_ADDRESS = "whole_address"
    CITY = "city"
    POSTCODE = "postcode"
    STATE = "state"
    COUNTRY = "country"
    BIRTH_PLACE = "birth_place"
    PERSONAL_NUMBER = "personal_number"
    PERSONAL = "personal"
    """Says something of the person that no attribute holds: sex, occupation, nationality."""
    RECORD_ID = "record_id"
    TRUTH = "truth"
    BESIDES = "besides"
    """About the record, a purchase, or another column, not about the person."""


PLAIN_PARTS = (
    Part.SOURCE,
    Part.EMAIL,
    Part.PHONE,
    Part.LOYALTY_CARD,
    Part.CRM_NUMBER,
    Part.WEBSHOP_NUMBER,
    Part.DEVICE,
    Part.COOKIE,
    Part.CUSTOMER_NUMBER,
    Part.GIVEN_NAME,
    Part.MIDDLE_NAME,
    Part.FAMILY_NAME,
    Part.NAME_SUFFIX,
    Part.FULL_NAME,
    Part.BIRTH_DATE,
    Part.CITY,
    Part.POSTCODE,
)
"""Parts that are flat columns as they are."""

CLAIM_PARTS = frozenset(
    {
        *PLAIN_PARTS,
        Part.INITIALS,
        Part.BIRTH_YEAR,
        Part.BIRTH_MONTH,
        Part.BIRTH_DAY,
        Part.STREET,
        Part.HOUSE_NUMBER,
        Part.WHOLE_ADDRESS,
        Part.PERSONAL_NUMBER,
    }
)
"""Parts that make something of a claim."""

_NAMES: dict[Part, str] = {
    Part.SOURCE: "source source_system data_source system channel origin quelle herkunft bron herkomst canal origen fuente provenance",
    Part.EMAIL: "email e_mail mail email_address e_mail_address mail_address emailadresse e_mail_adresse mailadresse emailadres e_mailadres "
    "mailadres adresse_email adresse_mail adresse_e_mail courriel correo correo_electronico direccion_correo indirizzo_email posta_elettronica endereco_email",
    Part.PHONE: "phone phone_number telephone telephone_number mobile mobile_number mobile_phone cell cell_phone tel telefon telefonnummer "
    "handy handynummer mobil mobilnummer festnetz rufnummer telefoon telefoonnummer mobiel mobiele_nummer gsm portable telephone_portable "
    "tel_mobile numero_de_telephone numero_telephone telefono telefono_movil movil celular numero_de_telefono cellulare numero_di_telefono "
    "telefone telemovel telefone_celular numer_telefonu komorka",
    Part.LOYALTY_CARD: "loyalty_card loyalty_id loyalty_number loyalty_card_number loyalty member_number membership_number membership_id "
    "member_id card_number kundenkarte kundenkartennummer bonuskarte treuekarte mitgliedsnummer klantenkaart klantenkaartnummer "
    "lidnummer bonuskaart carte_fidelite carte_de_fidelite numero_fidelite numero_de_carte tarjeta_fidelidad tarjeta_cliente numero_socio "
    "carta_fedelta tessera cartao_fidelidade karta_lojalnosciowa numer_karty",
    Part.CRM_NUMBER: "crm_number crm_id crm_no crm contact_id account_id account_number kontaktnummer",
    Part.WEBSHOP_NUMBER: "webshop_number webshop_id shop_id online_id webshop_customer user_id user_name username login benutzername "
    "gebruikersnaam identifiant_web usuario",
    Part.DEVICE: "device device_id device_token gerat gerate_id apparaat appareil dispositivo",
    Part.COOKIE: "cookie cookie_id visitor_id session_cookie",
    Part.CUSTOMER_NUMBER: "customer_number customer_id customer_no client_id client_number kundennummer kundennr kunden_id klantnummer "
    "klantnr klant_id numero_client numero_de_client id_client numero_cliente numero_de_cliente id_cliente codice_cliente numer_klienta id_klienta",
    Part.GIVEN_NAME: "given_name given first_name firstname first fname forename forenames given_names first_names fname_c1 "
    "primary_name_first vorname vornamen rufname voornaam voornamen roepnaam prenom prenoms nombre nombres nombre_de_pila nome primeiro_nome imie",
    Part.MIDDLE_NAME: "middle_name middle middlename middle_initial mi second_name second_first_name fname_c2 primary_name_middle zweiter_vorname "
    "mittelname tweede_naam deuxieme_prenom segundo_nombre secondo_nome nome_do_meio imie2 drugie_imie",
    Part.FAMILY_NAME: "family_name family last_name lastname last lname surname lname_c1 primary_name_last nachname familienname zuname "
    "achternaam familienaam nom nom_de_famille nom_famille apellido apellidos primer_apellido cognome sobrenome apelido nazwisko",
    Part.NAME_SUFFIX: "name_suffix suffix generation namenszusatz suffixe sufijo",
    Part.FULL_NAME: "full_name fullname name primary_name_full person_name customer_name client_name contact_name kundenname vollstandiger_name "
    "ganzer_name volledige_naam naam klantnaam nom_complet nom_prenom prenom_nom nom_et_prenom nombre_completo nombre_y_apellidos "
    "first_and_surname first_and_last_name native_name_full nome_completo nome_e_cognome imie_i_nazwisko",
    Part.INITIALS: "initials initial voorletters initialen initiales iniciales",
    Part.BIRTH_DATE: "birth_date birthdate birthday dob date_of_birth born born_on geburtsdatum geburtstag geb_datum gebdat geboren geboren_am "
    "geboortedatum geb_dat date_de_naissance date_naissance naissance ne_le fecha_de_nacimiento fecha_nacimiento nacimiento data_di_nascita "
    "data_nascita data_de_nascimento data_nascimento nascimento data_urodzenia data_ur",
    Part.BIRTH_YEAR: "birth_year year_of_birth yob by byear geburtsjahr geboortejaar annee_naissance annee_de_naissance ano_nacimiento "
    "ano_de_nacimiento",
    Part.BIRTH_MONTH: "birth_month month_of_birth mob bm bmonth geburtsmonat geboortemaand mois_naissance mois_de_naissance mes_nacimiento "
    "mes_de_nacimiento",
    Part.BIRTH_DAY: "birth_day day_of_birth bd bday geburtstag_tag geboortedag jour_naissance jour_de_naissance dia_nacimiento "
    "dia_de_nacimiento",
    Part.STREET: "street street_address street_name address address_1 address1 address_line_1 addr_line1 addr1 line_1 strasse str "
    "strassenname anschrift adresse adresse_1 straat straatnaam adres rue voie nom_de_rue adresse_postale adresse_ligne_1 calle via direccion "
    "direccion_1 domicilio indirizzo endereco morada rua logradouro ulica adres_ulica",
    Part.HOUSE_NUMBER: "street_number house_number house_no street_no number_street hausnummer hausnr haus_nr huisnummer huisnr numero_de_rue "
    "numero_rue numero_voie numero_calle numero_de_calle numero_casa numero_civico civico numero_da_porta nr_domu numer_domu",
    Part.SECOND_LINE: "address_2 address2 address_line_2 addr_line2 addr2 line_2 unit unit_number apartment apt suite po_box adresszusatz toevoeging "
    "huisnummer_toevoeging complement complement_adresse adresse_2 direccion_2 piso puerta",
    Part.WHOLE_ADDRESS: "addr_full full_address whole_address vollstandige_adresse volledig_adres adresse_complete direccion_completa",
    Part.CITY: "city town suburb place locality addr_city municipality ort stadt wohnort gemeinde stad plaats woonplaats gemeente ville commune "
    "localite ciudad localidad poblacion municipio citta comune cidade concelho miasto miejscowosc",
    Part.POSTCODE: "postcode postal_code post_code postcode_fake zip zip_code zipcode zip5 addr_postal_code plz postleitzahl postcode_nl "
    "code_postal cp codigo_postal cap codice_postale codigo_postale cep kod_pocztowy",
    Part.STATE: "state addr_state province region county bundesland provincie departement estado provincia comunidad regione distrito wojewodztwo",
    Part.COUNTRY: "country country_code addr_country land nation pays pais nazione paese kraj",
    Part.BIRTH_PLACE: "birth_place birthplace place_of_birth birth_city geburtsort geboorteplaats lieu_de_naissance lieu_naissance "
    "lugar_de_nacimiento lugar_nacimiento luogo_di_nascita local_de_nascimento miejsce_urodzenia",
    Part.PERSONAL_NUMBER: "soc_sec_id ssn ssn_number social_security_number social_security national_id national_id_number national_number "
    "passport passport_number passport_no drivers_license drivers_license_number driving_licence tax_id tax_id_number nino personal_number id_card "
    "ausweisnummer personalausweis reisepass sozialversicherungsnummer steuernummer steuer_id bsn burgerservicenummer paspoortnummer "
    "numero_securite_sociale numero_de_securite_sociale nir numero_passeport dni nie nif numero_pasaporte codice_fiscale cpf pesel",
    Part.PERSONAL: "gender sex age occupation profession job job_title employer employer_name employer_id workplace nationality religion marital_status "
    "education language race ethnicity relationship relationship_to_head relationship_to_reference_person alter arbeitgeber werkgever employeur "
    "empleador datore_di_lavoro "
    "geschlecht beruf staatsangehorigkeit nationalitat familienstand sprache geslacht beroep nationaliteit burgerlijke_staat taal sexe genre "
    "civilite metier nationalite etat_civil langue sexo genero profesion ocupacion nacionalidad estado_civil idioma genere sesso professione "
    "cittadinanza profissao nacionalidade plec zawod obywatelstwo",
    Part.RECORD_ID: "id rec_id record_id row_id record row row_number unique_id uuid guid event_id index key pk nr lfd_nr datensatz recnr numero_id",
    Part.TRUTH: "truth ground_truth true_id true_person cluster cluster_id entity_id person_id match_id label",
    Part.BESIDES: "occurred_at event_timestamp timestamp event_time time kind store store_id store_code amount amount_minor currency page "
    "purpose granted date status category record_type created created_at updated updated_at modified changed last_modified comment comments "
    "note notes remark remarks erstellt geandert bemerkung notiz angemaakt gewijzigd opmerking cree_le modifie_le commentaire creado "
    "modificado comentario observaciones erstellt_am datum fecha betrag bedrag montant importe filiale winkel magasin tienda",
}
_RANKED = {
    name.replace("_", ""): (part, rank) for part, names in _NAMES.items() for rank, name in enumerate(names.split())
}
_PARTS = {name: part for name, (part, _) in _RANKED.items()}
_WHICH_ADDRESS = frozenset(("billing", "shipping", "mailing", "delivery", "residential", "permanent", "current"))
"""Noise that says which of a customer's addresses is meant."""
_NOISE = _WHICH_ADDRESS.union(
    (
        *(
            "primary",
            "main",
            "customer",
            "cust",
            "client",
            "person",
            "contact",
            "home",
            "private",
        ),
        *("kunde", "kunden", "klant", "cliente", "principal", "the", "my", "c1", "field", "col", "column", "raw"),
    )
)
_CUSTOMERS = frozenset(("customer", "cust", "client", "kunde", "kunden", "klant", "cliente"))
_WHOEVER = frozenset(("primary", "main", "the", "my", "c1", "field", "col", "column", "raw", "principal"))
"""Noise beside which an id is still that of the row."""
_ADDRESS = frozenset(("address", "addr", "adresse", "adres", "direccion", "indirizzo", "endereco"))
"""Words before a part of an address, which say no more than it does: `address_city`."""
_OF_ADDRESSES = frozenset(
    (Part.STREET, Part.HOUSE_NUMBER, Part.SECOND_LINE, Part.CITY, Part.POSTCODE, Part.STATE, Part.COUNTRY)
)
_ABOUT_ANOTHER = frozenset(
    ("type", "typ", "kind", "status", "flag", "verified", "valid", "source", "date", "score", "count")
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNPLAIN = re.compile(r"[^a-z0-9]+")
_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L"})
"""Letters that are no plain letter with a mark."""


def plain_words(header: str) -> list[str]:
    """Words of a header in plain letters: `Geburts-Datum` and `geburtsDatum` are both `geburts`, `datum`."""
    parted = _CAMEL.sub(" ", header.translate(_LETTERS))
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(letter))
    return [word for word in _UNPLAIN.split(plain.lower()) if word]


def part_of(header: str) -> Part | None:
    """What a header names, or None. Words that only say whose it is (`customer`, `home`) do not count."""
    words = plain_words(header)
    if found := _PARTS.get("".join(words)):
        return found
    bare = [word for word in words if word not in _NOISE]
    if found := _PARTS.get("".join(bare)):
        return _whose(found, words) if found in {Part.RECORD_ID, Part.TRUTH} else found
    if len(words) > 1 and words[-1] in _ABOUT_ANOTHER:
        return Part.BESIDES
    if len(bare) > 1 and bare[0] in _ADDRESS and (found := _PARTS.get("".join(bare[1:]))) in _OF_ADDRESSES:
        return found
    if len(bare) > 1 and all(_PARTS.get(word) is Part.PERSONAL for word in bare):
        return Part.PERSONAL
    # `phone2`, `address 1`, `email_2`: another one of its kind.
    unnumbered = [stem for word in bare if (stem := word.rstrip("0123456789"))]
    return _PARTS.get("".join(unnumbered)) if unnumbered != bare else None


def which_address(header: str) -> frozenset[str]:
    """Words of a header that say which of a customer's addresses is meant: those of `mailing_city` and `mailing street` are the same."""
    return _WHICH_ADDRESS.intersection(plain_words(header))


def exact_part_of(header: str) -> tuple[Part, int] | None:
    """What a header names as it stands, without words that are passed over, and how usual the name is: 0 is the best of its part."""
    return _RANKED.get("".join(plain_words(header)))


def _whose(found: Part, words: list[str]) -> Part | None:
    """What an id with words of whose it is names: `cust_id` is a number of the customer, `shipping id` one of something else, `mailing label` no answer."""
    if found is Part.TRUTH:
        return found if _WHICH_ADDRESS.isdisjoint(words) else None
    if not _CUSTOMERS.isdisjoint(words):
        return Part.CUSTOMER_NUMBER
    return Part.RECORD_ID if all(word in _WHOEVER or word not in _NOISE for word in words) else Part.BESIDES
