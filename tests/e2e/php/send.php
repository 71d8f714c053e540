<?php
// Sends one message by PHPMailer; everything comes from the environment.
require '/usr/share/php/libphp-phpmailer/autoload.php';

$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) getenv('PORT');
$mail->SMTPSecure = PHPMailer\PHPMailer\PHPMailer::ENCRYPTION_STARTTLS;
$mail->SMTPOptions = ['ssl' => ['cafile' => getenv('CA')]];
$mail->SMTPAuth = true;
$mail->Username = getenv('KEY_ID');
$mail->Password = getenv('KEY');
$mail->CharSet = 'UTF-8';
$mail->setFrom('sender@example.org', 'Jörg');
$mail->addAddress('r@example.net');
$mail->addBCC('blind@example.net');
$mail->addCustomHeader('X-Token', getenv('TOKEN'));
$mail->Subject = 'Grüße ' . getenv('TOKEN');
$mail->Body = ".leading dot\nÄpfel\n";
$mail->addAttachment(getenv('ATTACHMENT'), 'Übersicht.bin');
$mail->send();
